import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { everyBitFlipped, everyOtherLength } from '../test/corrupt.js';
import { codeOf, HOUR, makeRig, REPLY, REQUEST, type Rig } from '../test/rig.js';
import { MAX_MESSAGES, type ClientSession, type ServiceSession } from './index.js';

const plain = (bytes: Uint8Array): number[] => [...bytes];

describe('a session carries', () => {
  let client: ClientSession;
  let service: ServiceSession;
  beforeAll(async () => ({ client, service } = await (await makeRig()).pair()));

  test('a request and its reply, both ends agreeing on who and which session', () => {
    expect(service.principal).toBe('billing');
    expect(service.sessionId).toBe(client.sessionId);
    expect(client.sessionId).toMatch(/^[0-9a-f]{32}$/);
    const sent = client.encryptRequest(REQUEST);
    expect(sent.sequence).toBe(1);
    expect(sent.body).toHaveLength(REQUEST.body.length + 16);
    expect(plain(service.decryptRequest({ ...REQUEST, ...sent }))).toEqual(plain(REQUEST.body));
    const answer = service.encryptReply(REPLY);
    expect(answer.replyHeader).toMatch(/^[A-Za-z0-9_-]{43},1$/);
    expect(plain(client.decryptReply({ ...REPLY, ...answer }))).toEqual(plain(REPLY.body));
  });

  test('any bytes under any subject, request id, deadline and parts header', () => {
    const text = fc.string({ unit: 'binary', maxLength: 80 });
    const message = fc.record({
      subject: text,
      requestId: text,
      deadlineMs: fc.nat(30_000),
      partsHeader: text,
      body: fc.uint8Array({ maxLength: 2_000 }),
    });
    fc.assert(
      fc.property(message, (request) => {
        const sent = client.encryptRequest(request);
        expect(plain(service.decryptRequest({ ...request, ...sent }))).toEqual(plain(request.body));
        const answer = service.encryptReply(request);
        expect(plain(client.decryptReply({ ...request, ...answer }))).toEqual(plain(request.body));
      }),
    );
  });

  test('the same bytes never in the same form, nor any of them readable', () => {
    const one = client.encryptRequest(REQUEST);
    const two = client.encryptRequest(REQUEST);
    expect(plain(one.body)).not.toEqual(plain(two.body));
    expect(Buffer.from(one.body).includes('alpha_vantage')).toBe(false);
  });
});

describe('a request is refused as CHANNEL_REJECTED when', () => {
  let rig: Rig;
  let client: ClientSession;
  let service: ServiceSession;
  let sent: { sequence: number; body: Uint8Array };
  const tryOpen = (change: object): string | undefined =>
    codeOf(() => service.decryptRequest({ ...REQUEST, ...sent, ...change }));
  beforeAll(async () => {
    rig = await makeRig();
    ({ client, service } = await rig.pair());
    sent = client.encryptRequest(REQUEST);
  });

  test('any bit of it is flipped', () => {
    for (const { bytes } of everyBitFlipped(sent.body))
      expect(tryOpen({ body: bytes })).toBe('CHANNEL_REJECTED');
  });

  test('it is cut or lengthened anywhere, down to a shorter tag', () => {
    for (const body of everyOtherLength(sent.body)) expect(tryOpen({ body })).toBe('CHANNEL_REJECTED');
  });

  test.each([
    ['subject', { subject: REQUEST.subject.replace('retrieve', 'delete') }],
    ["other principal's subject", { subject: REQUEST.subject.replace('billing', 'someone') }],
    ['request id', { requestId: `${REQUEST.requestId}1` }],
    ['deadline', { deadlineMs: REQUEST.deadlineMs + 1 }],
    ['parts header', { partsHeader: '21,1' }],
    ['sequence', { sequence: 2 }],
    ['sequence 0', { sequence: 0 }],
    ['negative sequence', { sequence: -1 }],
    ['fractional sequence', { sequence: 1.5 }],
    ['sequence that is no number', { sequence: Number.NaN }],
    ['negative deadline', { deadlineMs: -1 }],
    ['deadline that is no number', { deadlineMs: Number.NaN }],
  ])('its %s is another', (_, change) => expect(tryOpen(change)).toBe('CHANNEL_REJECTED'));

  test('it is moved between fields (a longer subject, a shorter id)', () => {
    const change = { subject: `${REQUEST.subject}0`, requestId: REQUEST.requestId.slice(1) };
    expect(tryOpen(change)).toBe('CHANNEL_REJECTED');
  });

  test('it belongs to another session of the same client', async () => {
    const other = (await rig.session()).encryptRequest(REQUEST);
    expect(codeOf(() => service.decryptRequest({ ...REQUEST, ...other }))).toBe('CHANNEL_REJECTED');
  });

  test('it is a reply sent back as a request', () => {
    const { body } = service.encryptReply({ ...REPLY, body: REQUEST.body, partsHeader: REQUEST.partsHeader });
    expect(tryOpen({ body, sequence: 1 })).toBe('CHANNEL_REJECTED');
  });

  test('and after all of that the true one still opens', () => {
    expect(plain(service.decryptRequest({ ...REQUEST, ...sent }))).toEqual(plain(REQUEST.body));
  });
});

describe('a reply is refused as CHANNEL_REJECTED when', () => {
  let rig: Rig;
  let client: ClientSession;
  let service: ServiceSession;
  let answer: { replyHeader: string; body: Uint8Array };
  const tryOpen = (change: object): string | undefined =>
    codeOf(() => client.decryptReply({ ...REPLY, ...answer, ...change }));
  beforeAll(async () => {
    rig = await makeRig();
    ({ client, service } = await rig.pair());
    answer = service.encryptReply(REPLY);
  });

  test('any bit of it is flipped, or it is cut or lengthened', () => {
    for (const { bytes } of everyBitFlipped(answer.body))
      expect(tryOpen({ body: bytes })).toBe('CHANNEL_REJECTED');
    for (const body of everyOtherLength(answer.body)) expect(tryOpen({ body })).toBe('CHANNEL_REJECTED');
  });

  test('any character of its header is another, missing or added', () => {
    const { replyHeader } = answer;
    for (let at = 0; at <= replyHeader.length; at++) {
      const before = replyHeader.slice(0, at);
      const after = replyHeader.slice(at + 1);
      for (const change of [before + after, `${before}A${replyHeader.slice(at)}`, `${before}0${after}`]) {
        if (change !== replyHeader) expect(tryOpen({ replyHeader: change })).toBe('CHANNEL_REJECTED');
      }
    }
  });

  test.each([
    ['subject', { subject: 'keymesh.v1.rpc.billing.vault.credential.delete' }],
    ['request id', { requestId: '0198b0aa-0000-7000-8000-000000000002' }],
    ['parts header', { partsHeader: '3,8' }],
    ['header', { replyHeader: '' }],
    ['counter', { replyHeader: `${'A'.repeat(43)},9999999` }],
  ])('its %s is another', (_, change) => expect(tryOpen(change)).toBe('CHANNEL_REJECTED'));

  test("it is the client's own request sent back", () => {
    const request = client.encryptRequest({ ...REQUEST, ...REPLY });
    expect(tryOpen({ body: request.body })).toBe('CHANNEL_REJECTED');
  });

  test('it was made in another session', async () => {
    const other = await rig.pair();
    expect(tryOpen(other.service.encryptReply(REPLY))).toBe('CHANNEL_REJECTED');
  });
});

describe('a session ends', () => {
  test('after twelve hours, at both ends', async () => {
    const rig = await makeRig();
    const { client, service } = await rig.pair();
    expect(client.expiresAt).toBe(rig.clock.now() + 12 * HOUR);
    const last = client.encryptRequest(REQUEST);
    rig.clock.advance(12 * HOUR);
    expect(codeOf(() => client.encryptRequest(REQUEST))).toBe('CHANNEL_EXPIRED');
    expect(codeOf(() => service.decryptRequest({ ...REQUEST, ...last }))).toBe('CHANNEL_EXPIRED');
  });

  test('no later than the channel key of the service', async () => {
    const rig = await makeRig();
    rig.clock.advance(20 * HOUR);
    const { client } = await rig.pair();
    expect(client.expiresAt).toBe(rig.key.statement.notAfter);
  });

  test('after 2^20 requests', async () => {
    const { client, service } = await (await makeRig()).pair();
    const over = { ...REQUEST, ...client.encryptRequest(REQUEST), sequence: MAX_MESSAGES + 1 };
    expect(codeOf(() => service.decryptRequest(over))).toBe('CHANNEL_EXPIRED');
  });
});
