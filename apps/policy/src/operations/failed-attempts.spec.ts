import { beforeEach, describe, expect, it } from '@jest/globals';
import { HOUR, MINUTE, SECOND, toBase64Url, utf8 } from '@keymesh/kernel';
import { nkeyPairOf, type NkeyPair } from '@keymesh/mesh';
import { expectCode, makeTestClock, type TestClock } from '@keymesh/testing';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import {
  callOf,
  makeBookMesh,
  makeInvitation,
  makeNkey,
  type BookMesh,
  type TestInvitation,
} from '../../test/support/invitations.js';
import type { ConnectionAsk } from '../domain/admission.js';
import { makeConnectionAttempts } from '../domain/failed-attempts.js';
import { isNonceSigned } from '../transport/nkey-proof.js';
import { makeAdmitConnection } from './admit-connection.js';
import { makeCreatePrincipal } from './create-principal.js';
import { makeEnrolPrincipal } from './enrol-principal.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
let victim: TestInvitation;

const SAME_NAT = '198.51.100.7';
const ask = (key: NkeyPair, over: Partial<ConnectionAsk> = {}): ConnectionAsk => ({
  nkey: key.publicKey,
  signature: toBase64Url(key.sign(utf8('nonce'))),
  nonce: 'nonce',
  serverId: 'NSERVER',
  clientId: 7,
  host: SAME_NAT,
  ...over,
});
const own = ({ own: { nkeySeed } }: TestInvitation) => nkeyPairOf(nkeySeed);
const admit = (asked: ConnectionAsk) =>
  makeAdmitConnection({
    ...ports,
    random: () => 0.5,
    isProven: isNonceSigned,
    remember: (_connection, entry) => ports.record(entry),
  })(asked);
async function invite(name: string): Promise<TestInvitation> {
  const invitation = makeInvitation(mesh, name, clock);
  await makeCreatePrincipal(ports)({ statement: invitation.statement }, callOf('operator'));
  return invitation;
}
const enrol = (statement: string, name: string) => makeEnrolPrincipal(ports)({ statement }, callOf(name));

beforeEach(async () => {
  clock = makeTestClock();
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
  victim = await invite('victim');
  await enrol(victim.complete(), 'victim');
});

describe('a stranger who fails on and on', () => {
  it('locks nobody out: not the principal it names, not from the address they share, not for an instant', async () => {
    const forged = { ...ask(makeNkey()), nkey: victim.own.publicNkey };
    for (let attempt = 0; attempt < 500; attempt += 1) {
      expect(await admit(forged)).toBeUndefined();
      if (attempt % 50 === 0) expect(await admit(ask(own(victim)))).toMatchObject({ principal: 'victim' });
      clock.advance(SECOND);
    }
    expect(ports.attempts.areStrangersLockedOut(SAME_NAT)).toBe(true);
    expect(await admit(ask(own(victim)))).toMatchObject({ principal: 'victim' });
    const guest = await invite('guest');
    expect(await admit(ask(guest.tokenNkey))).toMatchObject({ purpose: 'enrolment' });
  });

  it('is no denial of the principal that it names: the detector locks by these', async () => {
    await admit({ ...ask(makeNkey()), nkey: victim.own.publicNkey });
    const [record] = ports.records('connection.refused');
    expect(record).toMatchObject({ outcome: 'denied', facts: { reason: 'not-proven', claimed: 'victim' } });
    expect(record?.principal).toBeUndefined();
    expect(record?.resource).toBeUndefined();
  });

  it('is looked up a hundred times in a day, not once for each of its attempts', async () => {
    const before = ports.refreshed();
    const attempts = 24 * 60 * 12;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      await admit(ask(STRANGER));
      clock.advance(5 * SECOND);
    }
    expect(ports.refreshed() - before).toBeLessThan(5 + 11 + (24 * HOUR) / (15 * MINUTE));
    expect(ports.refreshed() - before).toBeGreaterThan(50);
  }, 120_000);

  it('is told once by a record of its own, with the address beside it, and in sums when there are many', async () => {
    for (let attempt = 0; attempt < 6; attempt += 1) await admit(ask(STRANGER));
    const entry = ports.entries.find(({ record }) => record.type === 'attempts.locked-out');
    expect(entry).toMatchObject({
      record: { outcome: 'failure', facts: { what: 'stranger', failures: 6, lockoutSeconds: 1 } },
      beside: { host: SAME_NAT },
    });
    expect(JSON.stringify(entry?.record)).not.toContain(SAME_NAT);
    for (let source = 0; source < 200; source += 1)
      for (let attempt = 0; attempt < 6; attempt += 1)
        await admit(ask(STRANGER, { host: `203.0.113.${String(source)}` }));
    expect(ports.records('attempts.locked-out').length).toBeLessThan(10);
  });
});

const STRANGER = makeNkey();

describe('a hundred thousand sources', () => {
  it('are held in bounded memory', async () => {
    const attempts = makeConnectionAttempts({
      ...{ clock, refusals: ports.refusals, makeRecord: ports.makeRecord, maxSources: 10_000 },
      tokens: { failed: () => Promise.resolve(undefined), isLockedOut: () => Promise.resolve(false) },
      onFailed: () => undefined,
      onLost: () => undefined,
    });
    for (let source = 0; source < 100_000; source += 1)
      await attempts.strangerFailed(
        `10.${String(source >> 16)}.${String((source >> 8) & 255)}.${String(source & 255)}`,
      );
    expect(attempts.sources()).toBe(10_000);
  }, 60_000);
});

describe('the bearer of a token', () => {
  it('is cut at each wrong statement, and held off longer and longer; nobody else is', async () => {
    const [guest, other] = [await invite('guest'), await invite('other')];
    const lookedAt: number[] = [];
    const [startedAt, until] = [clock.monotonic(), 50 * MINUTE];
    while (clock.monotonic() - startedAt < until) {
      if ((await admit(ask(guest.tokenNkey))) !== undefined) {
        lookedAt.push(clock.monotonic());
        await expectCode(enrol(other.complete(), 'guest'), 'ENROLMENT_REJECTED');
      }
      clock.advance(SECOND);
    }
    expect(ports.closed).toHaveLength(lookedAt.length);
    expect(new Set(ports.closed)).toEqual(new Set(['guest']));
    // Two are free; then 1 s, 2 s, 4 s … up to a quarter of an hour.
    expect(lookedAt.length).toBeLessThan(2 + 11 + until / (15 * MINUTE));
    expect(ports.records('attempts.locked-out')[0]).toMatchObject({
      facts: { what: 'token' },
      resource: { kind: 'principal', id: 'guest' },
    });
    expect(await admit(ask(other.tokenNkey))).toMatchObject({ purpose: 'enrolment' });
    await enrol(other.complete(), 'other');
  });

  it('enrols when it gets it right in between', async () => {
    const guest = await invite('guest');
    for (let wrong = 0; wrong < 5; wrong += 1) {
      await expectCode(enrol(victim.complete(), 'guest'), 'ENROLMENT_REJECTED');
      clock.advance(MINUTE);
    }
    expect(await admit(ask(guest.tokenNkey))).toBeDefined();
    await enrol(guest.complete(), 'guest');
    expect(ports.statusOf('guest')).toBe('active');
  });

  it('is let in as ever when the counts cannot be read, because without them nobody enrols either', async () => {
    const guest = await invite('guest');
    const lost: unknown[] = [];
    const attempts = makeConnectionAttempts({
      ...{ clock, refusals: ports.refusals, makeRecord: ports.makeRecord },
      tokens: {
        failed: () => Promise.reject(new Error('away')),
        isLockedOut: () => Promise.reject(new Error('away')),
      },
      onFailed: () => undefined,
      onLost: (error) => lost.push(error),
    });
    await attempts.tokenFailed(guest.tokenNkey.publicKey, 'guest');
    expect(await attempts.isTokenLockedOut(guest.tokenNkey.publicKey)).toBe(false);
    expect(lost).toHaveLength(2);
  });
});
