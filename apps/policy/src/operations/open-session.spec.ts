import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { SessionRequest, StatementOf } from '@keymesh/contracts';
import { HOUR, MINUTE, SECOND } from '@keymesh/kernel';
import { makeFailedAttempts } from '@keymesh/mesh';
import { signStatement } from '@keymesh/policy-engine';
import {
  expectCode,
  makeTestClock,
  makeTestPrincipal,
  type TestClock,
  type TestPrincipal,
} from '@keymesh/testing';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import {
  callOf,
  grant,
  makeBookMesh,
  statusStatement,
  type BookMesh,
} from '../../test/support/invitations.js';
import type { ProveIdentity } from '../identity/prove-identity.js';
import { makeDisablePrincipal } from './disable-principal.js';
import { makeOpenSession } from './open-session.js';
import { makeSetIdentityRule } from './set-identity-rule.js';
import { makeSetPrincipalRoles } from './set-principal-roles.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
let whileProving: () => Promise<unknown>;
let guesses: ReturnType<typeof makeFailedAttempts>;

const said = () => ({
  v: 1 as const,
  meshId: mesh.trustRoot.meshId,
  statementId: randomUUID(),
  issuedAt: new Date(clock.now()).toISOString(),
  issuer: 'operator',
});
type Rule = NonNullable<StatementOf<'identity-rule.set'>['rule']>;
const rule = (over: Partial<Rule> = {}): Rule => ({
  principal: 'billing',
  identity: {
    kind: 'token',
    issuer: 'ci',
    audience: 'x',
    claims: { sub: 'x' },
    keys: { from: 'pinned', keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) }] },
  },
  maxSessionSeconds: 600,
  privileged: false,
  ...over,
});
const setRule = (value: Rule | null) => {
  const basedOn = ports.state().directory.identityRules[0]?.statementId ?? null;
  const statement = signStatement(
    { ...said(), type: 'identity-rule.set', ruleId: 'ci', rule: value, basedOn },
    mesh.operator.signingKey,
  );
  return makeSetIdentityRule(ports)({ statement }, callOf('operator'));
};

/** The proof holds, for as long as it says; what it is held against is the first rule. */
const open = (keys: TestPrincipal, endsInMs = HOUR, asker = `session-${randomUUID()}`) => {
  const proveIdentity: ProveIdentity = async (_request, [first]) => {
    await whileProving();
    return first === undefined ? { refused: 'no-rule' } : { rule: first, endsMs: clock.now() + endsInMs };
  };
  const request: SessionRequest = {
    ...{
      v: 1,
      meshId: mesh.trustRoot.meshId,
      nkey: keys.publicNkey,
      channelKey: keys.signingKey.publicKeyText,
    },
    ...{ proof: 'A'.repeat(86), token: 'x' },
  };
  return makeOpenSession({ ...ports, guesses, proveIdentity, openRequest: () => Promise.resolve(request) })(
    { keyId: '0'.repeat(32), sealed: 'AAAA' },
    callOf(asker),
  );
};
const keysOf = (): TestPrincipal => makeTestPrincipal('session');
const reasons = (): unknown[] =>
  ports
    .records('session.opened')
    .flatMap(({ outcome, facts }) => (outcome === 'denied' ? [facts?.reason] : []));

beforeEach(async () => {
  clock = makeTestClock();
  guesses = makeFailedAttempts({ clock, longestMs: MINUTE });
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
  whileProving = () => Promise.resolve();
  for (const name of ['billing', 'other']) {
    const statement = grant(mesh.trustRoot.meshId, makeTestPrincipal(name, ['reader']), mesh.operator, clock);
    await ports.book.change({ principal: 'spec', requestId: name }, () => ({
      ...{ change: { statements: [statement] }, records: [], reply: () => null },
    }));
  }
  await setRule(rule());
});

describe('opening a session', () => {
  it('lasts as long as the proof and as the rule allows, whichever is less', async () => {
    const inSeconds = async (endsInMs: number) =>
      (Date.parse((await open(keysOf(), endsInMs)).expiresAt) - clock.now()) / SECOND;
    expect(await inSeconds(HOUR)).toBe(600);
    expect(await inSeconds(5 * MINUTE)).toBe(300);
    await expectCode(open(keysOf(), 9 * SECOND), 'IDENTITY_REJECTED');
    expect(reasons()).toEqual(['expired']);
  });

  it('prolongs one with the same keys, and is refused for keys of another', async () => {
    const keys = keysOf();
    await open(keys);
    clock.advance(MINUTE);
    const { expiresAt } = await open(keys);
    expect(Date.parse(expiresAt)).toBe(clock.now() + 600 * SECOND);
    expect(ports.state().directory.sessions()).toHaveLength(1);
    await expectCode(open({ ...keysOf(), signingKey: keys.signingKey }), 'IDENTITY_REJECTED');
    await expectCode(open({ ...keysOf(), publicNkey: mesh.operator.publicNkey }), 'IDENTITY_REJECTED');
    expect(reasons()).toEqual(['keys', 'keys']);
    // Nobody lost anything by it.
    expect(ports.state().directory.findSession(keys.publicNkey)).toBeDefined();
  });

  it('is refused where the rule changed while the proof was looked at', async () => {
    whileProving = () => setRule(rule({ principal: 'other' }));
    await expectCode(open(keysOf()), 'IDENTITY_REJECTED');
    whileProving = () => setRule(null);
    await expectCode(open(keysOf()), 'IDENTITY_REJECTED');
    expect(reasons()).toEqual(['no-rule', 'no-rule']);
  });

  it('is refused for a principal that became privileged after its rule', async () => {
    const statement = signStatement(
      {
        ...said(),
        type: 'principal.roles-set',
        principal: 'billing',
        before: ['reader'],
        roles: ['reader', 'operator'],
      },
      mesh.operator.signingKey,
    );
    await makeSetPrincipalRoles(ports)({ statement }, callOf('operator'));
    await expectCode(open(keysOf()), 'IDENTITY_REJECTED');
    expect(reasons()).toEqual(['privileged']);
  });

  it('is refused for who is disabled, and again there for who is enabled', async () => {
    await makeDisablePrincipal(ports)({ principal: 'billing', reason: 'spec' }, callOf('operator'));
    await expectCode(open(keysOf()), 'IDENTITY_REJECTED');
    expect(reasons()).toEqual(['principal']);
    const statement = statusStatement(mesh, 'billing', 'active', clock);
    await ports.book.change({ principal: 'spec', requestId: 'enable' }, () => ({
      ...{ change: { statements: [statement], taken: [{ principal: 'billing', takings: [] }] } },
      ...{ records: [], reply: () => null },
    }));
    await open(keysOf());
  });

  it('is refused beyond 64 live ones of a rule, and those that ended make room', async () => {
    for (let count = 0; count < 64; count++) await open(keysOf());
    await expectCode(open(keysOf()), 'IDENTITY_REJECTED');
    expect(reasons()).toEqual(['limit']);
    clock.advance(601 * SECOND);
    await open(keysOf());
  });

  it('looks at ever fewer guesses of one asker, and at the first of another', async () => {
    let looked = 0;
    whileProving = () => Promise.resolve(void (looked += 1));
    for (let seconds = 0; seconds < 600; seconds++) {
      await open(keysOf(), 0, 'session-guessing').catch(() => undefined);
      clock.advance(SECOND);
    }
    expect(looked).toBeGreaterThan(10);
    expect(looked).toBeLessThan(30);
    await expectCode(open(keysOf(), 0, 'session-guessing'), 'RATE_LIMITED');
    await open(keysOf(), HOUR, 'session-other');
    clock.advance(2 * MINUTE);
    await open(keysOf(), HOUR, 'session-guessing');
  });

  it('records many refusals of strangers as a sum', async () => {
    await setRule(null);
    for (let count = 0; count < 20; count++) await expectCode(open(keysOf()), 'IDENTITY_REJECTED');
    await ports.refusals.flush('now');
    const denied = ports.records('session.opened');
    expect(denied).toHaveLength(6);
    expect(denied.at(-1)?.facts).toEqual({ reason: 'no-rule', summed: 15 });
  });
});
