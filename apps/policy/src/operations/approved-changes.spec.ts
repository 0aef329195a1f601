import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { PublicError, Role, Statement } from '@keymesh/contracts';
import { toPublicError } from '@keymesh/contracts';
import { HOUR } from '@keymesh/kernel';
import { signApproval, signStatement } from '@keymesh/policy-engine';
import {
  expectCode,
  makeTestClock,
  makeTestPrincipal,
  type TestClock,
  type TestPrincipal,
} from '@keymesh/testing';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import { callOf, grant, makeBookMesh, type BookMesh } from '../../test/support/invitations.js';
import { makeApproveRequest } from './approve-request.js';
import { makeDisablePrincipal } from './disable-principal.js';
import { makeListApprovals } from './list-approvals.js';
import { makeListPrincipals } from './list-principals.js';
import { makeRequestApproval } from './request-approval.js';
import { makeSetKillSwitch } from './set-kill-switch.js';
import { makeSetPolicy } from './set-policy.js';
import { makeSetPrincipalRoles } from './set-principal-roles.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
const people: Readonly<Record<string, TestPrincipal>> = {
  second: makeTestPrincipal('second', ['operator'], 'operator'),
  guard: makeTestPrincipal('guard', ['security-admin']),
  reader: makeTestPrincipal('reader', ['reader']),
};
const CEDAR = 'permit(principal, action == Keymesh::Action::"list", resource);';
const OTHER = 'permit(principal, action, resource);';
const guarded = (action: string, count = 1): string =>
  `forbid(principal, action == Keymesh::Action::"${action}", resource)
  unless { context has approvals && context.approvals >= ${String(count)} };`;

beforeEach(() => {
  clock = makeTestClock();
  const made = makeBookMesh(clock);
  const grants = Object.values(people).map((who) => grant(made.trustRoot.meshId, who, made.operator, clock));
  mesh = { ...made, genesis: [...made.genesis, ...grants] };
  ports = makeFakePorts(mesh, clock);
});

const sign = (by: string, said: object): string =>
  signStatement(
    {
      ...{ v: 1, meshId: mesh.trustRoot.meshId, statementId: randomUUID(), issuer: by },
      ...{ issuedAt: new Date(clock.now()).toISOString(), ...said },
    } as Statement,
    (people[by] ?? mesh.operator).signingKey,
  );
const inForce = (policyId: string) =>
  ports.state().directory.policies.find((policy) => policy.policyId === policyId);
const set = (cedar: string | null, policyId = 'prod', by = 'operator') =>
  makeSetPolicy(ports)(
    {
      statement: sign(by, {
        ...{ type: 'policy.set', policyId, cedar, twoPerson: false },
        basedOn: inForce(policyId)?.statementId ?? null,
      }),
    },
    callOf(by),
  );
const setRoles = (roles: Role[]) =>
  makeSetPrincipalRoles(ports)(
    {
      statement: sign('operator', {
        type: 'principal.roles-set',
        principal: 'reader',
        before: ['reader'],
        roles,
      }),
    },
    callOf('operator'),
  );

type Wanted = NonNullable<PublicError['approvals']>;
/** What a refused asker is told, as it leaves the process. */
const wanted = async (work: Promise<unknown>): Promise<Wanted> =>
  toPublicError(await expectCode(work, 'APPROVAL_REQUIRED')).approvals!;
const request = ({ request: { principal, ...asked } = {} as never, content }: Wanted) =>
  makeRequestApproval(ports)(
    {
      ...asked,
      ...(content === undefined ? {} : { content }),
      ...{ attributes: {}, reason: 'change 7', lastsSeconds: 3_600 },
    },
    callOf(principal),
  );
async function approve(told: Wanted, by = 'guard'): Promise<void> {
  const { approvalId, expiresAt } = await request(told);
  const [shown] = (await makeListApprovals(ports)({ approvalId }, callOf(by))).approvals;
  expect(shown).toMatchObject({ request: told.request, content: told.content ?? null });
  const approval = signApproval(
    {
      ...{ v: 1, meshId: mesh.trustRoot.meshId, approvalId, request: told.request!, approver: by },
      ...{ issuedAt: new Date(clock.now()).toISOString(), expiresAt },
    },
    (people[by] ?? mesh.operator).signingKey,
  );
  await makeApproveRequest(ports)({ approval }, callOf(by));
}

describe('a policy that needs an approval to be written', () => {
  beforeEach(() => set(guarded('policy.write'), 'four-eyes'));

  it('is written once by exactly the text that another approved, and by no other', async () => {
    const told = await wanted(set(CEDAR));
    expect(told).toMatchObject({
      ...{ needed: 1, given: 0, request: { principal: 'operator', action: 'policy.write' } },
      request: { resource: { kind: 'policy', id: 'prod' } },
    });
    expect(JSON.parse(told.content!)).toMatchObject({ policyId: 'prod', cedar: CEDAR, basedOn: null });
    await approve(told);

    await wanted(set(OTHER));
    await wanted(set(CEDAR, 'dev'));
    await wanted(set(CEDAR, 'prod', 'second'));
    expect(inForce('prod')).toBeUndefined();
    expect(await set(CEDAR)).toMatchObject({ state: 'in-force' });
    // The same text would now replace another one: nobody has approved that.
    await wanted(set(CEDAR));
    await wanted(set(null));

    const records = ports.records('policy.set').filter(({ outcome }) => outcome === 'success');
    expect(records.at(-1)).toMatchObject({
      facts: { approvers: 'guard', waits: false },
      decision: { effect: 'permit', request: { context: { approvals: 1 } } },
    });
    expect(ports.records('policy.set').find(({ outcome }) => outcome === 'denied')).toMatchObject({
      ...{ code: 'DENIED', decision: { effect: 'forbid' } },
    });
  });

  it('is not approved by the asker, nor when the approval has ended', async () => {
    const told = await wanted(set(CEDAR));
    await expectCode(approve(told, 'operator'), 'DENIED');
    await approve(told);
    clock.advance(HOUR + 1);
    expect(await wanted(set(CEDAR))).toMatchObject({ given: 0 });
  });

  it('can itself be taken back, with an approval', async () => {
    await approve(await wanted(set(null, 'four-eyes')));
    expect(await set(null, 'four-eyes')).toMatchObject({ state: 'removed' });
    expect(await set(CEDAR)).toMatchObject({ state: 'in-force' });
  });

  it('tells nothing of approvals to who may not describe it', async () => {
    await approve(
      await wanted(set(`forbid(principal, action == Keymesh::Action::"describe", resource);`, 'blind')),
    );
    await set(`forbid(principal, action == Keymesh::Action::"describe", resource);`, 'blind');
    const refused = await expectCode(set(CEDAR), 'DENIED');
    expect(refused.details).not.toHaveProperty('approvals');
  });
});

it('more approvals than others can give to write policies are refused: nobody could take that back', async () => {
  await expectCode(set(guarded('policy.write', 3), 'too-many'), 'POLICY_INVALID');
  // Operator, second and guard: whoever writes has two others.
  expect(await set(guarded('policy.write', 2), 'enough')).toMatchObject({ state: 'in-force' });
});

describe('other changes that need an approval', () => {
  it('of roles: of exactly these', async () => {
    await set(guarded('principal.write'));
    await approve(await wanted(setRoles(['reader', 'writer'])));
    await wanted(setRoles(['reader', 'operator']));
    // The same principal and action, and something else.
    await wanted(makeDisablePrincipal(ports)({ principal: 'reader', reason: 'x' }, callOf('operator')));
    await setRoles(['reader', 'writer']);
    expect(ports.state().directory.find('reader')?.roles).toEqual(['reader', 'writer']);
  });

  it('of a kill switch: of exactly this one, whatever its reason', async () => {
    await set(guarded('kill-switch.set'));
    const kill = (name: string, reason: string) =>
      makeSetKillSwitch(ports)({ scope: 'namespace', name, reason }, callOf('operator'));
    await approve(await wanted(kill('pay', 'first words')));
    await wanted(kill('prod', 'first words'));
    expect((await kill('pay', 'other words')).killId).not.toBe('');
  });

  it('and what is read: of this asker alone', async () => {
    await set(guarded('principal.read'));
    const list = (by: string) => makeListPrincipals(ports)({}, callOf(by));
    const told = await wanted(list('operator'));
    expect(told.content).toBeUndefined();
    await approve(told);
    expect((await list('operator')).principals).not.toEqual([]);
    await wanted(list('second'));
  });
});

describe('what is asked to be approved', () => {
  it('is shown to the byte as it is signed', async () => {
    await set(guarded('policy.write'), 'four-eyes');
    const told = await wanted(set(CEDAR));
    await expectCode(request({ ...told, content: told.content!.replace('list', 'describe') }), 'BAD_REQUEST');
    const { content, ...without } = told;
    expect(content).toBeDefined();
    await expectCode(request(without), 'BAD_REQUEST');
  });
});

it('decisions of the policy service have what the detector thinks of the asker', async () => {
  await set(`forbid(principal, action == Keymesh::Action::"principal.read", resource)
  when { context has risk && context.risk > 50 };`);
  const list = () => makeListPrincipals(ports)({}, callOf('second'));
  await list();
  ports.risks.set('second', 51);
  await expectCode(list(), 'DENIED');
  ports.risks.set('second', 0);
  await list();
  expect(ports.records('principal.listed').map(({ decision }) => decision?.request.context.risk)).toEqual([
    undefined,
    51,
    0,
  ]);
});
