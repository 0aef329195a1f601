import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Keymesh, Profile } from '@keymesh/client';
import {
  credentialHistory,
  describeCredential,
  HEADERS,
  listCredentials,
  MAX_MESSAGE_BYTES,
  retrieveCredential,
  storeCredential,
  STREAMS,
  subjects,
  type Role,
} from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { eventually, expectCode } from '@keymesh/testing';
import { readLog } from './support/audit-log.js';
import { connectDeploy } from './support/deploy.js';
import { fsckVault } from './support/fsck.js';
import { killPart, meshStatus, recovered } from './support/kill.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';
import { codeOf, connectWire, plainRequest, type WireClient, type WireRequest } from './support/wire.js';

// Promises 2 and 3 of DESIGN.md, by principals that are enrolled and connected, and then do what the SDK never would.
let mesh: RunningMesh;
let operator: Keymesh;
let victim: WireClient;
let attacker: WireClient;
let plain: WireClient;
const open: WireClient[] = [];
const NAME = 'hostile/target';
const value = `Hk1-${randomBytes(24).toString('base64url')}`;

beforeAll(async () => {
  // What the server refuses is recorded as denied; here nobody is locked out for a burst of it (the detector's own spec shows that).
  mesh = await startMesh({ env: { KEYMESH_DETECTOR_BURST_DENIALS: '1000000' } });
  const first = await connectOperator(mesh);
  operator = first.keymesh;
  const enrol = async (name: string, roles: readonly Role[]): Promise<WireClient> => {
    const profile: Profile = await enrolAs(mesh, first, name, roles);
    const client = await connectWire(profile);
    open.push(client);
    return client;
  };
  victim = await enrol('victim', ['writer']);
  attacker = await enrol('attacker', ['writer']);
  plain = await enrol('plain-outsider', ['plain-reply']);
  await operator.credentials.store({ name: NAME, type: 'api_key', value });
}, 150_000);
afterAll(async () => {
  await Promise.all(open.map((client) => client.close()));
  await operator.close();
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const askCode = async (client: WireClient, request: WireRequest): Promise<string> =>
  codeOf(client.read(request, await client.ask(request)));
const versionsOf = async (name: string): Promise<number> =>
  (await operator.credentials.history(name)).versions.length;
const recordsOf = async (requestId: string) =>
  (await readLog(operator)).filter((record) => record.requestId === requestId);

describe('the broker refuses', () => {
  it("a request under another's subject", async () => {
    const stolen = attacker.seal(
      retrieveCredential,
      { name: NAME },
      { subject: 'keymesh.v1.rpc.victim.vault.credential.retrieve' },
    );
    await expect(attacker.ask(stolen, 2_000)).rejects.toThrow();
    expect(await recordsOf(stolen.requestId)).toEqual([]);
    // The control: the very same request under its own subject is served.
    expect(await askCode(attacker, attacker.seal(retrieveCredential, { name: NAME }))).toBe('none');
  });

  it.each([
    subjects.pushTo('victim'),
    '_INBOX_victim.>',
    '_INBOX.>',
    subjects.rpcAll,
    subjects.rpcBy('victim'),
    subjects.journalAll,
    subjects.auditAll,
    subjects.alertAll,
    subjects.eventsAll,
    '$SYS.>',
    '$JS.API.>',
    '>',
  ])('to let it hear %s', async (subject) => {
    const { nats } = attacker.connection;
    const heard = new Promise((resolve) => {
      nats.subscribe(subject, { callback: (error, msg) => resolve(error ?? msg) });
    });
    expect(String(await heard)).toMatch(/permissions violation/i);
  });

  it.each([
    '$JS.API.STREAM.INFO.JOURNAL',
    '$JS.API.STREAM.DELETE.AUDIT',
    '$JS.API.STREAM.PURGE.JOURNAL',
    '$JS.API.CONSUMER.MSG.NEXT.AUDIT.siem',
    '$SYS.REQ.SERVER.PING',
    'keymesh.v1.rpc._rotation.vault.version.reveal',
  ])('to let it ask %s', async (subject) => {
    await expect(attacker.connection.nats.request(subject, '', { timeout: 2_000 })).rejects.toThrow(
      /permission/i,
    );
  });
});

describe('an identity is proven, never claimed', () => {
  it('whatever headers say', async () => {
    const forged = plainRequest(
      retrieveCredential,
      'plain-outsider',
      { name: NAME },
      {
        'Nats-Request-Info': JSON.stringify({ acc: 'MESH', user: 'operator', name: 'operator' }),
        'Keymesh-Principal': 'operator',
        'Keymesh-Roles': 'operator',
      },
    );
    expect(await askCode(plain, forged)).toBe('CREDENTIAL_NOT_FOUND'); // it may not know of it
    await eventually(
      async () =>
        expect(await recordsOf(forged.requestId)).toMatchObject([
          { principal: 'plain-outsider', outcome: 'denied' },
        ]),
      { timeoutMs: 15_000 },
    );
  });

  it("and a captured channel is nobody else's: replayed by another principal it is refused", async () => {
    const captured = victim.seal(retrieveCredential, { name: NAME });
    const replayed = { ...captured, subject: captured.subject.replace('.victim.', '.attacker.') };
    const reply = await attacker.ask(replayed);
    expect(reply.headers?.get(HEADERS.serviceError)).toMatch(/^CHANNEL_REJECTED/);
    expect(reply.headers?.get(HEADERS.channelReply)).toBe('');
    expect(await recordsOf(captured.requestId)).toEqual([]);
    // The session has not suffered: its owner's request is answered.
    expect(await askCode(victim, captured)).toBe('none');
  });

  it('nor is a request moved to another operation, or changed by one bit', async () => {
    const captured = victim.seal(describeCredential, { name: NAME });
    const moved = { ...captured, subject: captured.subject.replace('.describe', '.delete') };
    const flipped = Uint8Array.from(captured.body);
    flipped[5] = (flipped[5] ?? 0) ^ 1;
    for (const request of [moved, { ...captured, body: flipped }]) {
      const reply = await victim.ask(request);
      expect(reply.headers?.get(HEADERS.serviceError)).toMatch(/^CHANNEL_REJECTED/);
    }
    expect(await versionsOf(NAME)).toBe(1);
  });

  it('without a channel and the role there is no plain answer', async () => {
    const request = plainRequest(retrieveCredential, 'attacker', { name: NAME });
    const reply = await attacker.ask(request);
    expect(reply.headers?.get(HEADERS.serviceErrorCode)).toBe('401');
    expect(codeOf(attacker.read(request, reply))).toBe('CHANNEL_REQUIRED');
    expect(Buffer.from(reply.data).includes(value)).toBe(false);
  });
});

describe('an exact replay', () => {
  const storeAny = (name: string): WireRequest =>
    attacker.seal(storeCredential, {
      name,
      type: 'api_key',
      values: { value: Secret.fromText(`Rp1-${randomBytes(24).toString('base64url')}`, 'spec') },
      expectedVersion: 'any',
    });

  it('is refused as REPLAYED, inside the channel, and has no second effect', async () => {
    await operator.credentials.store({ name: 'hostile/replayed', type: 'api_key', value });
    const request = storeAny('hostile/replayed');
    expect(await askCode(attacker, request)).toBe('none');
    expect(await askCode(attacker, request)).toBe('REPLAYED');
    expect(await versionsOf('hostile/replayed')).toBe(2);
  });

  it('has none either at an instance that never saw the first: the mutation remembers it', async () => {
    const request = storeAny('hostile/replayed');
    expect(await askCode(attacker, request)).toBe('none');
    const dead = await killPart(mesh, 'vault');
    await recovered(mesh, dead === undefined ? [] : [dead]);
    await attacker.ask(request, 5_000).catch(() => undefined);
    expect(await versionsOf('hostile/replayed')).toBe(3);
  }, 60_000);
});

describe('an answer goes to the asker alone', () => {
  it.each([
    '$JS.API.STREAM.DELETE.AUDIT',
    '$JS.API.STREAM.PURGE.JOURNAL',
    subjects.journal('vault'),
    subjects.audit('vault', 'credential', 'retrieved'),
    subjects.rpc('victim', 'vault', 'credential', 'delete'),
  ])('and never to %s', async (reply) => {
    const deploy = await connectDeploy(mesh);
    try {
      const before = await deploy.streams();
      const request = attacker.seal(retrieveCredential, { name: NAME });
      attacker.connection.nats.publish(request.subject, request.body, { headers: request.head, reply });
      await attacker.connection.nats.flush();
      // Its own next question is answered after this one was looked at.
      expect(await askCode(attacker, attacker.seal(describeCredential, { name: NAME }))).toBe('none');
      const after = await deploy.streams();
      expect(after.map(({ name }) => name).sort()).toEqual(STREAMS.map(({ name }) => name).sort());
      for (const { name, firstSequence } of before)
        expect(after.find((stream) => stream.name === name)).toMatchObject({ firstSequence });
      expect(await versionsOf(NAME)).toBe(1);
    } finally {
      await deploy.close();
    }
  });

  it('and what reaches a foreign inbox opens for nobody there', async () => {
    const inbox = `${subjects.inboxPrefix('victim')}.guessed`;
    const heard: { data: Uint8Array }[] = [];
    const listening = victim.connection.nats.subscribe(inbox, {
      callback: (_error, msg) => void heard.push(msg),
    });
    await victim.connection.nats.flush();
    const request = attacker.seal(retrieveCredential, { name: NAME });
    attacker.connection.nats.publish(request.subject, request.body, { headers: request.head, reply: inbox });
    expect(await askCode(attacker, attacker.seal(describeCredential, { name: NAME }))).toBe('none');
    await victim.connection.nats.flush();
    for (const { data } of heard) expect(Buffer.from(data).includes(value)).toBe(false);
    listening.unsubscribe();
  });
});

describe('bad input is refused with its code, and nothing is stored', () => {
  it('a message over 900 KiB: PAYLOAD_TOO_LARGE', async () => {
    const request = plainRequest(
      listCredentials,
      'plain-outsider',
      Buffer.alloc(MAX_MESSAGE_BYTES + 1, 0x20),
    );
    const reply = await plain.ask(request);
    expect(reply.headers?.get(HEADERS.serviceErrorCode)).toBe('413');
    expect(codeOf(plain.read(request, reply))).toBe('PAYLOAD_TOO_LARGE');
  });

  it('a value over 64 KiB: PAYLOAD_TOO_LARGE', async () => {
    const tooMuch = operator.credentials.store({
      name: 'hostile/large',
      type: 'generic',
      value: randomBytes(64 * 1024 + 1),
    });
    await expectCode(tooMuch, 'PAYLOAD_TOO_LARGE');
  });

  it.each(['{', '[1,]', '{"name":"a","name":"b"}', '{"name":}', '\u00ff'])(
    'JSON that is none (%j): MALFORMED_MESSAGE, inside the channel and without',
    async (text) => {
      const json = Buffer.from(text, 'latin1');
      expect(await askCode(plain, plainRequest(listCredentials, 'plain-outsider', json))).toBe(
        'MALFORMED_MESSAGE',
      );
      const request = attacker.seal(describeCredential, {}, { json });
      const answer = attacker.read(request, await attacker.ask(request));
      expect([answer.channel, codeOf(answer)]).toEqual([true, 'MALFORMED_MESSAGE']);
    },
  );

  it('parts that do not add up: MALFORMED_MESSAGE', async () => {
    const request = plainRequest(listCredentials, 'plain-outsider', {}, { [HEADERS.parts]: '1,99' });
    expect(await askCode(plain, request)).toBe('MALFORMED_MESSAGE');
  });

  it('an unknown field: BAD_REQUEST, which does not repeat it', async () => {
    const secret = `Field-${randomBytes(8).toString('hex')}`;
    const request = attacker.seal(describeCredential, { name: NAME, [secret]: secret });
    const answer = attacker.read(request, await attacker.ask(request));
    expect(codeOf(answer)).toBe('BAD_REQUEST');
    expect(JSON.stringify(answer.message)).not.toContain(secret);
  });

  it('an operation that is not there: UNKNOWN_OPERATION', async () => {
    const nowhere = { ...describeCredential, verb: 'explode' };
    expect(await askCode(attacker, attacker.seal(nowhere, { name: NAME }))).toBe('UNKNOWN_OPERATION');
    expect(await askCode(plain, plainRequest(nowhere, 'plain-outsider', {}))).toBe('UNKNOWN_OPERATION');
  });

  it('a deadline that is over: DEADLINE_EXCEEDED, and no value comes late', async () => {
    const request = attacker.seal(retrieveCredential, { name: NAME }, { deadlineMs: 1 });
    const reply = await attacker.ask(request);
    expect(codeOf(attacker.read(request, reply))).toBe('DEADLINE_EXCEEDED');
  });

  it.each(['0', '-1', '30001', '1e3', 'soon'])('a deadline of %s: BAD_REQUEST', async (deadline) => {
    const request = plainRequest(listCredentials, 'plain-outsider', {}, { [HEADERS.deadlineMs]: deadline });
    expect(await askCode(plain, request)).toBe('BAD_REQUEST');
  });

  it('a name with a newline in it: CREDENTIAL_NAME_INVALID', async () => {
    const request = attacker.seal(describeCredential, { name: 'a\nb' });
    expect(await askCode(attacker, request)).toBe('CREDENTIAL_NAME_INVALID');
  });

  it('a channel header of rubbish: CHANNEL_REJECTED', async () => {
    for (const header of ['x', randomBytes(300).toString('base64url'), 'A'.repeat(3_000)]) {
      const request = attacker.seal(describeCredential, { name: NAME });
      request.head.set(HEADERS.channel, header);
      const reply = await attacker.ask(request);
      expect(reply.headers?.get(HEADERS.serviceError)).toMatch(/^CHANNEL_REJECTED/);
    }
  });
});

it('leaves the mesh as it was: ready, not restarted but by the kill, nothing half-stored', async () => {
  const { status, services } = await meshStatus(mesh);
  expect(status).toBe('ready');
  expect(services).toMatchObject({
    vault: { restarts: 1 },
    policy: { restarts: 0 },
    audit: { restarts: 0 },
    nats: { restarts: 0 },
  });
  const names = (await operator.credentials.list()).map(({ name }) => name);
  expect(names.sort()).toEqual(['hostile/replayed', NAME].sort());
  expect((await operator.call(credentialHistory, { name: NAME })).versions).toHaveLength(1);
  expect(await fsckVault(mesh)).toMatchObject({ code: 0 });
  await eventually(async () => expect(await mesh.cli(['audit', 'verify'])).toMatchObject({ code: 0 }), {
    timeoutMs: 20_000,
  });
}, 40_000);
