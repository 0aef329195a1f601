import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  ACCOUNTS,
  clientPermissions,
  enrolmentPermissions,
  sessionAskerOf,
  sessionPermissions,
  siemPermissions,
} from '@keymesh/contracts';
import { HOUR, MINUTE, toBase64Url, utf8 } from '@keymesh/kernel';
import { makeTestClock, type TestClock } from '@keymesh/testing';
import { nkeyPairOf, type NkeyPair } from '@keymesh/mesh';
import { signStatement } from '@keymesh/policy-engine';
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
import { isNonceSigned } from '../transport/nkey-proof.js';
import { makeAdmitConnection, type RememberedConnection } from './admit-connection.js';
import { makeCreatePrincipal } from './create-principal.js';
import { makeDisablePrincipal } from './disable-principal.js';
import { makeEnrolPrincipal } from './enrol-principal.js';
import { makeLockPrincipal } from './lock-principal.js';
import { makeSetIdentityRule } from './set-identity-rule.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
let billing: TestInvitation;
let remembered: RememberedConnection[];
let whileRemembering: () => Promise<unknown>;

const ask = (key: NkeyPair, over: Partial<ConnectionAsk> = {}): ConnectionAsk => ({
  nkey: key.publicKey,
  signature: toBase64Url(key.sign(utf8('nonce'))),
  nonce: 'nonce',
  serverId: 'NSERVER',
  clientId: 7,
  host: '127.0.0.1',
  ...over,
});
const own = ({ own: { nkeySeed } }: TestInvitation) => nkeyPairOf(nkeySeed);
const admit = (asked: ConnectionAsk) =>
  makeAdmitConnection({
    ...ports,
    random: () => 0.5,
    isProven: isNonceSigned,
    remember: async (connection, entry) => {
      remembered.push(connection);
      await ports.record(entry);
      await whileRemembering();
    },
  })(asked);

async function invite(
  name: string,
  roles: Parameters<typeof makeInvitation>[3] = {},
): Promise<TestInvitation> {
  const invitation = makeInvitation(mesh, name, clock, roles);
  await makeCreatePrincipal(ports)({ statement: invitation.statement }, callOf('operator'));
  return invitation;
}
const enrol = (invitation: TestInvitation) =>
  makeEnrolPrincipal(ports)({ statement: invitation.complete() }, callOf(invitation.own.name));

beforeEach(async () => {
  clock = makeTestClock();
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
  remembered = [];
  whileRemembering = () => Promise.resolve();
  billing = await invite('billing');
  await enrol(billing);
});

describe('admitting who wants a session', () => {
  const stranger = makeNkey();
  const wants = { wantsSession: true };
  const allowProofs = async (): Promise<void> => {
    const statement = signStatement(
      {
        v: 1,
        meshId: mesh.trustRoot.meshId,
        statementId: randomUUID(),
        issuedAt: new Date(clock.now()).toISOString(),
        issuer: 'operator',
        type: 'identity-rule.set',
        ruleId: 'ci',
        rule: {
          principal: 'billing',
          identity: {
            ...{ kind: 'token', issuer: 'https://ci.example', audience: 'keymesh' },
            ...{ claims: { sub: 'billing' }, keys: { from: 'discovery' } },
          },
          maxSessionSeconds: 600,
          privileged: false,
        },
        basedOn: null,
      },
      mesh.operator.signingKey,
    );
    await makeSetIdentityRule(ports)({ statement }, callOf('operator'));
  };

  it('gives anybody one question under a name that is nobody’s, for a minute', async () => {
    await allowProofs();
    const asker = sessionAskerOf(stranger.publicKey);
    expect(await admit(ask(stranger, wants))).toEqual({
      principal: asker,
      purpose: 'session',
      account: ACCOUNTS.clients,
      permissions: sessionPermissions(asker),
      expiresAtMs: clock.now() + MINUTE,
    });
    // Nobody has to cut it, and as many as like may come.
    expect(remembered).toEqual([]);
    for (let count = 0; count < 20; count++) await admit(ask(makeNkey(), wants));
    expect(ports.records('connection.opened')).toHaveLength(5);
  });

  it('gives no more to who has keys, and nothing to who does not prove the one it shows', async () => {
    await allowProofs();
    expect((await admit(ask(own(billing), wants)))?.purpose).toBe('session');
    expect(
      await admit(ask(stranger, { ...wants, signature: toBase64Url(stranger.sign(utf8('x'))) })),
    ).toBeUndefined();
  });

  it('lets nobody in where no rule lets other proofs stand', async () => {
    expect(await admit(ask(stranger, wants))).toBeUndefined();
  });
});

describe('admitting a connection', () => {
  it('gives an active principal its own subjects, remembers it and records it', async () => {
    expect(await admit(ask(own(billing)))).toEqual({
      principal: 'billing',
      purpose: 'principal',
      account: ACCOUNTS.clients,
      permissions: clientPermissions('billing'),
      expiresAtMs: clock.now() + 22 * HOUR,
    });
    expect(remembered).toMatchObject([{ principal: 'billing', serverId: 'NSERVER', clientId: 7 }]);
    const [entry] = ports.entries.slice(-1);
    expect(entry).toMatchObject({
      record: { type: 'connection.opened', principal: 'billing' },
      beside: { host: '127.0.0.1' },
    });
    expect(JSON.stringify(entry?.record)).not.toContain('127.0.0.1');
  });

  it('gives the bearer of a token one subject, for minutes, and none once it is used or over', async () => {
    const guest = await invite('guest');
    expect(await admit(ask(guest.tokenNkey))).toMatchObject({
      purpose: 'enrolment',
      permissions: enrolmentPermissions('guest'),
      expiresAtMs: clock.now() + 5 * MINUTE,
    });
    clock.advance(58 * MINUTE);
    expect((await admit(ask(guest.tokenNkey)))?.expiresAtMs).toBe(clock.now() + 2 * MINUTE);
    clock.advance(3 * MINUTE);
    expect(await admit(ask(guest.tokenNkey))).toBeUndefined();
    expect(await admit(ask(billing.tokenNkey))).toBeUndefined();
  });

  it('puts a siem principal into its own account, with the feed and nothing else', async () => {
    const splunk = await invite('splunk', { roles: ['siem'] });
    await enrol(splunk);
    expect(await admit(ask(own(splunk)))).toMatchObject({
      account: ACCOUNTS.siem,
      permissions: siemPermissions('splunk'),
    });
  });

  it.each([
    ['an unknown key', 'unknown-key', () => ask(makeNkey())],
    ['no key', 'no-key', () => ask(own(billing), { nkey: undefined })],
    ['a known key without a signature', 'not-proven', () => ask(own(billing), { signature: undefined })],
    ['a signature over another nonce', 'not-proven', () => ask(own(billing), { nonce: 'other' })],
    ['a signature over nothing', 'not-proven', () => ask(own(billing), { nonce: undefined })],
    [
      'a signature by another key',
      'not-proven',
      () => ({ ...ask(makeNkey()), nkey: billing.own.publicNkey }),
    ],
    ['a service of the mesh', 'system', () => ask(nkeyPairOf(mesh.detector.nkeySeed))],
  ])('refuses %s', async (_what, reason, asked) => {
    expect(await admit(asked())).toBeUndefined();
    expect(remembered).toEqual([]);
    expect(ports.records('connection.refused')).toMatchObject([{ outcome: 'denied', facts: { reason } }]);
  });

  it('refuses the disabled and the locked', async () => {
    await makeLockPrincipal(ports)({ principal: 'billing', lockSeconds: 60, reason: '' }, callOf('operator'));
    expect(await admit(ask(own(billing)))).toBeUndefined();
    clock.advance(MINUTE);
    expect(await admit(ask(own(billing)))).toBeDefined();
    await makeDisablePrincipal(ports)({ principal: 'billing', reason: '' }, callOf('operator'));
    expect(await admit(ask(own(billing)))).toBeUndefined();
    expect(ports.records('connection.refused').map(({ facts }) => facts?.reason)).toEqual([
      'locked',
      'disabled',
    ]);
  });

  it('refuses who is disabled while being let in', async () => {
    whileRemembering = () =>
      makeDisablePrincipal(ports)({ principal: 'billing', reason: '' }, callOf('operator'));
    expect(await admit(ask(own(billing)))).toBeUndefined();
  });

  it('keeps a flood of strangers out of the journal: a few records, then one sum', async () => {
    const stranger = ask(makeNkey());
    for (let attempt = 0; attempt < 1_000; attempt += 1) await admit({ ...stranger, clientId: attempt });
    expect(ports.records('connection.refused')).toHaveLength(5);
    clock.advance(MINUTE);
    await ports.refusals.flush();
    expect(ports.records('connection.refused')).toHaveLength(6);
    expect(ports.records('connection.refused').at(-1)).toMatchObject({
      facts: { reason: 'locked-out', summed: 995 },
    });
  });
});
