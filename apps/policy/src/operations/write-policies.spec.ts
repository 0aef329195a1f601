import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ACTIONS, type PolicyRequest } from '@keymesh/contracts';
import { policyPrincipal, signStatement } from '@keymesh/policy-engine';
import {
  expectCode,
  makeTestClock,
  makeTestPrincipal,
  type TestClock,
  type TestPrincipal,
} from '@keymesh/testing';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import { callOf, grant, makeBookMesh, type BookMesh } from '../../test/support/invitations.js';
import { makeConfirmPolicy } from './confirm-policy.js';
import { makeDescribePolicy } from './describe-policy.js';
import { makeListPolicies } from './list-policies.js';
import { makeSetPolicy } from './set-policy.js';
import { makeValidatePolicy } from './validate-policy.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
const people: Readonly<Record<string, TestPrincipal>> = {
  second: makeTestPrincipal('second', ['operator'], 'operator'),
  guard: makeTestPrincipal('guard', ['security-admin']),
  reader: makeTestPrincipal('reader', ['reader']),
};
const CEDAR = 'permit(principal, action == Keymesh::Action::"list", resource);';
const OTHER = 'forbid(principal, action == Keymesh::Action::"list", resource);';

beforeEach(() => {
  clock = makeTestClock();
  const made = makeBookMesh(clock);
  const grants = Object.values(people).map((who) => grant(made.trustRoot.meshId, who, made.operator, clock));
  mesh = { ...made, genesis: [...made.genesis, ...grants] };
  ports = makeFakePorts(mesh, clock);
});

const sign = (by: string, statement: object): string =>
  signStatement(
    {
      v: 1,
      meshId: mesh.trustRoot.meshId,
      statementId: randomUUID(),
      issuedAt: new Date(clock.now()).toISOString(),
      issuer: by,
      policyId: 'prod',
      ...statement,
    } as never,
    (people[by] ?? mesh.operator).signingKey,
  );
interface Setting {
  readonly cedar?: string | null;
  readonly twoPerson?: boolean;
  readonly basedOn?: string | null;
  readonly policyId?: string;
}
const set = (setting: Setting = {}, by = 'operator', call = callOf(by)) =>
  makeSetPolicy(ports)(
    {
      statement: sign(by, {
        type: 'policy.set',
        cedar: CEDAR,
        twoPerson: false,
        basedOn: inForce()?.statementId ?? null,
        ...setting,
      }),
    },
    call,
  );
const confirm = (
  by: string,
  change = ports.state().directory.pendingPolicies[0]?.statementId ?? randomUUID(),
) => makeConfirmPolicy(ports)({ statement: sign(by, { type: 'policy.confirmed', change }) }, callOf(by));
const inForce = (id = 'prod') => ports.state().directory.policies.find(({ policyId }) => policyId === id);
const decide = (
  name: string,
  action: PolicyRequest['action'],
  kind: PolicyRequest['resource']['kind'] = 'credential',
) => {
  const { directory, engine } = ports.book.current();
  const principal = policyPrincipal(directory.find(name)!);
  return engine.decide({ principal, action, resource: { kind, id: 'x', attributes: {} }, context: {} });
};

describe('setPolicy', () => {
  it('writes, changes and removes by the signature of who writes policies, and every engine decides by it', async () => {
    expect(await set({ cedar: OTHER }, 'guard')).toEqual({
      policyId: 'prod',
      state: 'in-force',
      bundleVersion: 2,
    });
    expect(decide('reader', 'list')).toMatchObject({
      effect: 'forbid',
      determiningPolicies: ['policy.prod'],
    });
    expect(await set({ cedar: CEDAR })).toMatchObject({ state: 'in-force', bundleVersion: 3 });
    expect(decide('reader', 'list').determiningPolicies).toEqual(['policy.prod', 'role.reader']);
    expect(await set({ cedar: null })).toMatchObject({ state: 'removed', bundleVersion: 4 });
    expect(ports.records('policy.set')).toMatchObject([
      {
        outcome: 'success',
        principal: 'guard',
        resource: { kind: 'policy', id: 'prod' },
        facts: { waits: false },
      },
      { outcome: 'success', principal: 'operator' },
      { outcome: 'success', facts: { textHash: 'none' } },
    ]);
  });

  it.each<[string, Setting, string]>([
    ['that is no Cedar', { cedar: 'permit(principal, action,' }, 'prod:1:'],
    [
      'that would err at run time',
      { cedar: 'permit(principal, action, resource) when { context.risk < 5 };' },
      'prod:1:44: ',
    ],
    ['that calls itself another', { cedar: `@id("other") ${CEDAR}` }, 'its id is "other"'],
    ['that says otherwise about two persons', { cedar: `@twoPerson("true") ${CEDAR}` }, '@twoPerson'],
  ])('refuses a text %s, and says where and why', async (_what, setting, because) => {
    const refused = set(setting);
    await expectCode(refused, 'POLICY_INVALID');
    await expect(refused).rejects.toMatchObject({
      publicMessage: expect.stringContaining(because) as unknown,
    });
    expect(ports.state().version).toBe(1);
    expect(ports.records('policy.set')).toMatchObject([
      { outcome: 'failure', code: 'POLICY_INVALID', decision: { effect: 'permit' } },
    ]);
  });

  it('takes no policy from anybody else, nor in somebody else’s name', async () => {
    await expectCode(set({}, 'reader'), 'DENIED');
    await expectCode(set({}, 'guard', callOf('operator')), 'STATEMENT_REJECTED');
    expect(ports.records('policy.set')).toMatchObject([
      { outcome: 'denied', decision: { effect: 'forbid' } },
    ]);
    expect(inForce()).toBeUndefined();
  });

  it('does not undo unseen what somebody else wrote meanwhile', async () => {
    await set();
    await expectCode(set({ basedOn: null, cedar: OTHER }), 'STATEMENT_REJECTED');
    expect(inForce()?.cedar).toBe(CEDAR);
  });

  it.each([
    ['everybody out of everything', 'forbid(principal, action, resource);'],
    ['everybody out of writing', 'forbid(principal, action == Keymesh::Action::"policy.write", resource);'],
    [
      'everybody out of undoing it',
      'forbid(principal, action == Keymesh::Action::"policy.write", resource == Keymesh::Policy::"prod");',
    ],
  ])('refuses what would lock %s', async (_what, cedar) => {
    await expectCode(set({ cedar }), 'POLICY_INVALID');
    expect(inForce()).toBeUndefined();
  });

  it('lets one be locked out where another could undo it', async () => {
    const cedar =
      'forbid(principal, action == Keymesh::Action::"policy.write", resource) unless { principal == Keymesh::Principal::"second" };';
    expect(await set({ cedar })).toMatchObject({ state: 'in-force' });
    await expectCode(set({ cedar: null }), 'DENIED');
    expect(await set({ cedar: null }, 'second')).toMatchObject({ state: 'removed' });
  });

  it('answers a repeat as the first time', async () => {
    const statement = sign('operator', { type: 'policy.set', cedar: CEDAR, twoPerson: false, basedOn: null });
    const first = await makeSetPolicy(ports)({ statement }, callOf('operator'));
    const again = await makeSetPolicy(ports)({ statement }, callOf('operator'));
    expect(again).toEqual(first);
    expect(ports.records('policy.set')).toHaveLength(1);
  });
});

describe('a policy that takes two persons', () => {
  it('waits for the second, who is another', async () => {
    expect(await set({ twoPerson: true })).toMatchObject({ state: 'waiting' });
    expect(inForce()).toBeUndefined();
    await expectCode(confirm('operator'), 'STATEMENT_REJECTED');
    await expectCode(confirm('reader'), 'DENIED');
    expect(await confirm('second')).toMatchObject({ state: 'in-force' });
    expect(inForce()).toMatchObject({ setBy: 'operator', confirmedBy: 'second' });
    expect(ports.records('policy.confirmed').at(-1)).toMatchObject({
      outcome: 'success',
      principal: 'second',
      facts: { setBy: 'operator' },
    });
  });

  it('is not changed by one hasty operator, nor is its mark taken away', async () => {
    await set({ twoPerson: true });
    await confirm('second');
    for (const hasty of [{ cedar: OTHER, twoPerson: true }, { cedar: null }, { twoPerson: false }]) {
      expect(await set(hasty)).toMatchObject({ state: 'waiting' });
      await expectCode(confirm('operator'), 'STATEMENT_REJECTED');
      expect(inForce()).toMatchObject({ cedar: CEDAR, twoPerson: true });
    }
    // What waits now is the last of them.
    expect(await confirm('guard')).toMatchObject({ state: 'in-force' });
    expect(inForce()).toMatchObject({ cedar: CEDAR, twoPerson: false });
  });

  it('says that nothing waits', async () => {
    await expectCode(confirm('second'), 'POLICY_NOT_FOUND');
  });

  it('cannot lock everybody out by its confirmation either', async () => {
    await set({ cedar: 'forbid(principal, action, resource);', twoPerson: true });
    await expectCode(confirm('second'), 'POLICY_INVALID');
  });
});

describe('a security administrator', () => {
  it('sees no value, whatever it writes', async () => {
    const texts = [
      'permit(principal, action, resource);',
      'permit(principal == Keymesh::Principal::"guard", action, resource);',
      'permit(principal in Keymesh::Role::"security-admin", action == Keymesh::Action::"retrieve", resource);',
    ];
    for (const [at, cedar] of texts.entries())
      await set({ cedar, policyId: `mine-${String(at)}`, basedOn: null }, 'guard');
    const revealing = ['retrieve', 'use', 'export', 'lease.issue', 'version.reveal'] as const;
    for (const action of ACTIONS)
      expect([action, decide('guard', action).effect]).toEqual([
        action,
        (revealing as readonly string[]).includes(action) ? 'forbid' : 'permit',
      ]);
  });
});

describe('what there is', () => {
  it('is listed a page at a time, with what waits and, if asked for, what is built in', async () => {
    for (const n of [1, 2, 3]) {
      const cedar = `${CEDAR}${` // ${'x'.repeat(78)}\n`.repeat(95)}`;
      await set({ cedar, policyId: `p${String(n)}`, basedOn: null });
    }
    await set({ twoPerson: true });
    const all = await makeListPolicies(ports)({ builtIn: true }, callOf('guard'));
    expect(all).toMatchObject({
      policies: [{ policyId: 'p1' }, {}, {}],
      waiting: [{ policyId: 'prod', removes: false }],
      next: null,
    });
    expect(all.builtIn.map(({ id }) => id)).toEqual(
      expect.arrayContaining(
        ['reader', 'writer', 'rotator', 'auditor', 'security-admin', 'operator', 'break-glass'].map(
          (role) => `role.${role}`,
        ),
      ),
    );
    expect(await makeListPolicies(ports)({ after: 'p2' }, callOf('guard'))).toMatchObject({
      policies: [{ policyId: 'p3' }],
      builtIn: [],
    });
    await expectCode(makeListPolicies(ports)({}, callOf('reader')), 'DENIED');
  });

  it('comes in pages that fit into a message', async () => {
    const cedar = `${CEDAR}${` // ${'x'.repeat(78)}\n`.repeat(95)}`;
    for (let n = 100; n < 140; n += 1) await set({ cedar, policyId: `p${String(n)}`, basedOn: null });
    const seen: string[] = [];
    let after: string | null = '';
    let pages = 0;
    while (after !== null) {
      const page = await makeListPolicies(ports)(after === '' ? {} : { after }, callOf('operator'));
      expect(JSON.stringify(page).length).toBeLessThan(300_000);
      seen.push(...page.policies.map(({ policyId }) => policyId));
      after = page.next;
      pages += 1;
    }
    expect(pages).toBe(2);
    expect(seen).toEqual(ports.state().directory.policies.map(({ policyId }) => policyId));
  });

  it('is described with who wrote what and when', async () => {
    await set();
    clock.advance(1_000);
    await set({ cedar: OTHER, twoPerson: true }, 'second');
    const told = await makeDescribePolicy(ports)({ policyId: 'prod' }, callOf('operator'));
    expect(told).toMatchObject({
      inForce: { cedar: CEDAR, setBy: 'operator' },
      waiting: { cedar: OTHER, setBy: 'second', state: 'waiting' },
      history: [{ state: 'waiting' }, { state: 'in-force' }],
      earlier: 0,
    });
    await expectCode(
      makeDescribePolicy(ports)({ policyId: 'nothing' }, callOf('operator')),
      'POLICY_NOT_FOUND',
    );
    expect(ports.records('policy.described')).toMatchObject([
      { outcome: 'success' },
      { outcome: 'failure', decision: { effect: 'permit' } },
    ]);
  });

  it('is checked without a change', async () => {
    const validate = (cedar: string) =>
      makeValidatePolicy(ports)({ policyId: 'prod', cedar }, callOf('operator'));
    expect(await validate(CEDAR)).toEqual({ problems: [] });
    expect((await validate('permit(principal, action, resource')).problems).toMatchObject([{ line: 1 }]);
    expect(ports.records('policy.validated')).toHaveLength(2);
    expect(ports.state().version).toBe(1);
  });
});
