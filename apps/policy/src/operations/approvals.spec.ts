import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Approval, PolicyRequest, Role, Statement } from '@keymesh/contracts';
import { HOUR, MINUTE, type SigningKey } from '@keymesh/kernel';
import {
  approvalsGiven,
  policyPrincipal,
  proveKey,
  signApproval,
  signStatement,
} from '@keymesh/policy-engine';
import {
  expectCode,
  makeTestClock,
  makeTestPrincipal,
  type TestClock,
  type TestPrincipal,
} from '@keymesh/testing';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import { callOf, grant, makeBookMesh, type BookMesh } from '../../test/support/invitations.js';
import { MAX_OPEN_REQUESTS } from '../domain/approvals.js';
import { makeApproveRequest } from './approve-request.js';
import { makeCancelRequest } from './cancel-request.js';
import { makeListApprovals } from './list-approvals.js';
import { makeRejectRequest } from './reject-request.js';
import { makeRequestApproval } from './request-approval.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
let people: Readonly<Record<'billing' | 'alice' | 'bob' | 'clerk', TestPrincipal>>;

const RESOURCE = { kind: 'credential' as const, id: randomUUID() };
const ask = (call = callOf('billing'), over: object = {}) =>
  makeRequestApproval(ports)(
    {
      action: 'retrieve',
      resource: RESOURCE,
      attributes: { namespace: 'pay' },
      reason: 'invoice run',
      lastsSeconds: 3_600,
      ...over,
    },
    call,
  );
function approve(
  { approvalId, expiresAt }: { readonly approvalId: string; readonly expiresAt: string },
  by: TestPrincipal,
  over: Partial<Approval> = {},
  key: SigningKey = by.signingKey,
) {
  const approval = signApproval(
    {
      v: 1,
      meshId: mesh.trustRoot.meshId,
      approvalId,
      request: { principal: 'billing', action: 'retrieve', resource: RESOURCE },
      approver: by.name,
      issuedAt: new Date(clock.now()).toISOString(),
      expiresAt,
      ...over,
    },
    key,
  );
  return makeApproveRequest(ports)({ approval }, callOf(by.name));
}
const list = (name: string, approvalId?: string) =>
  makeListApprovals(ports)(approvalId === undefined ? {} : { approvalId }, callOf(name));
/** How many approvals a service that has the newest bundle counts now. */
function counted(): number {
  const { directory, engine } = ports.book.current();
  const request: PolicyRequest = {
    principal: policyPrincipal(directory.find('billing')!),
    action: 'retrieve',
    resource: { ...RESOURCE, attributes: { namespace: 'pay' } },
    context: {},
  };
  return approvalsGiven(directory, engine, request, clock.now()).length;
}

beforeEach(async () => {
  clock = makeTestClock();
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
  const roles: Readonly<Record<keyof typeof people, Role[]>> = {
    billing: ['reader', 'security-admin'],
    alice: ['security-admin'],
    bob: ['security-admin'],
    clerk: ['reader'],
  };
  const made = Object.entries(roles).map(([name, held]) => [name, makeTestPrincipal(name, held)] as const);
  people = Object.fromEntries(made) as unknown as typeof people;
  const statements = made.map(([, who]) => grant(mesh.trustRoot.meshId, who, mesh.operator, clock));
  await ports.book.change({ principal: 'operator', requestId: randomUUID() }, () => ({
    change: { statements },
    records: [],
    reply: () => null,
  }));
});

describe('a request for approval', () => {
  it('is kept with its reason beside the record, and is the same one when it is asked again', async () => {
    const asked = await ask();
    const version = ports.state().version;
    expect(await ask()).toEqual(asked);
    expect(ports.state().version).toBe(version);
    const [entry, ...rest] = ports.entries.filter(({ record }) => record.type === 'approval.requested');
    expect(rest).toEqual([]);
    expect(entry).toMatchObject({
      record: {
        resource: RESOURCE,
        facts: { approvalId: asked.approvalId, requestDigest: asked.requestDigest },
      },
      beside: { reason: 'invoice run' },
    });
    expect(JSON.stringify(entry?.record)).not.toContain('invoice');
  });

  it('is seen by who asked and who may approve it, and by nobody else', async () => {
    const { approvalId } = await ask();
    for (const name of ['billing', 'alice', 'operator'])
      expect((await list(name, approvalId)).approvals).toMatchObject([{ approvalId, status: 'open' }]);
    expect((await list('clerk')).approvals).toEqual([]);
    await expectCode(list('clerk', approvalId), 'APPROVAL_NOT_FOUND');
    await expectCode(list('alice', randomUUID()), 'APPROVAL_NOT_FOUND');
  });

  it('is one of twenty at most', async () => {
    const others = Array.from({ length: MAX_OPEN_REQUESTS }, (_, n) => n + 1);
    for (const version of others) await ask(callOf('billing'), { version });
    await expectCode(ask(), 'RATE_LIMITED');
    clock.advance(HOUR);
    await ask();
  });
});

describe('approving', () => {
  it('counts from the next bundle on, once for each approver, until it expires', async () => {
    const asked = await ask();
    expect(await approve(asked, people.alice)).toMatchObject({ approvals: 1 });
    expect(counted()).toBe(1);
    expect(await approve(asked, people.alice)).toMatchObject({ approvals: 1 });
    expect(await approve(asked, people.bob)).toMatchObject({ approvals: 2 });
    expect(counted()).toBe(2);
    expect((await list('billing')).approvals).toMatchObject([{ approvers: ['alice', 'bob'] }]);
    expect(ports.records('approval.approved')).toMatchObject([
      { principal: 'alice', resource: RESOURCE, decision: { effect: 'permit' }, facts: { approvals: 1 } },
      { principal: 'bob', facts: { approvals: 2, asker: 'billing' } },
    ]);
    clock.advance(HOUR);
    expect(counted()).toBe(0);
    expect((await list('billing')).approvals).toMatchObject([{ status: 'expired' }]);
    await expectCode(approve(asked, people.bob), 'APPROVAL_NOT_FOUND');
  });

  it('can be given again by who has other keys by now, and still counts once', async () => {
    const asked = await ask();
    await approve(asked, people.alice);
    const renewed = makeTestPrincipal('alice', ['security-admin']);
    const said = (statement: object, by: SigningKey): string =>
      signStatement(
        {
          ...{ v: 1, meshId: mesh.trustRoot.meshId, issuer: 'alice', principal: 'alice' },
          ...{ statementId: randomUUID(), issuedAt: new Date(clock.now()).toISOString() },
          ...statement,
        } as Statement,
        by,
      );
    const statementId = randomUUID();
    const binding = { meshId: mesh.trustRoot.meshId, statementId, principal: 'alice' };
    const { signingKey, publicNkey } = renewed;
    const proof = proveKey(binding, signingKey);
    const statements = [
      said(
        {
          ...{ type: 'principal.keys-added', statementId, nkeys: [publicNkey] },
          channelKeys: [{ key: signingKey.publicKeyText, proof }],
        },
        people.alice.signingKey,
      ),
      said(
        {
          ...{ type: 'principal.keys-removed', nkeys: [people.alice.publicNkey] },
          channelKeys: [people.alice.signingKey.publicKeyText],
        },
        signingKey,
      ),
    ];
    await ports.book.change({ principal: 'alice', requestId: randomUUID() }, () => ({
      change: { statements },
      records: [],
      reply: () => null,
    }));
    expect(counted()).toBe(0);
    expect(await approve(asked, renewed)).toMatchObject({ approvals: 1 });
    expect(counted()).toBe(1);
  });

  it('is not for the asker, whatever it may otherwise, and the attempt is recorded', async () => {
    await expectCode(approve(await ask(), people.billing), 'DENIED');
    expect(ports.records('approval.approved')).toMatchObject([{ outcome: 'denied', code: 'DENIED' }]);
    expect(counted()).toBe(0);
  });

  it('takes the right to, on that resource', async () => {
    await expectCode(approve(await ask(), people.clerk), 'DENIED');
    expect(ports.records('approval.approved')).toMatchObject([
      { outcome: 'denied', decision: { effect: 'forbid', request: { resource: RESOURCE } } },
    ]);
  });

  it.each<[string, () => [Partial<Approval>, SigningKey?]]>([
    ['with another key', () => [{}, people.bob.signingKey]],
    ['in the name of somebody else', () => [{ approver: 'bob' }]],
    ['of another mesh', () => [{ meshId: 'other' }]],
    ['made an hour ago', () => [{ issuedAt: new Date(clock.now() - HOUR).toISOString() }]],
    [
      'that lasts longer than was asked for',
      () => [{ expiresAt: new Date(clock.now() + 2 * HOUR).toISOString() }],
    ],
    [
      'of another request',
      () => [{ request: { principal: 'billing', action: 'delete', resource: RESOURCE } }],
    ],
    [
      'for somebody else',
      () => [{ request: { principal: 'clerk', action: 'retrieve', resource: RESOURCE } }],
    ],
  ])('takes none %s', async (_, change) => {
    const [over, key] = change();
    await expectCode(approve(await ask(), people.alice, over, key), 'STATEMENT_REJECTED');
    expect(counted()).toBe(0);
  });

  it('takes no statement for an approval', async () => {
    const approval = signStatement(
      {
        v: 1,
        meshId: mesh.trustRoot.meshId,
        statementId: randomUUID(),
        issuedAt: new Date(clock.now()).toISOString(),
        issuer: 'alice',
        type: 'policy.confirmed',
        policyId: 'p',
        change: randomUUID(),
      },
      people.alice.signingKey,
    );
    await expectCode(makeApproveRequest(ports)({ approval }, callOf('alice')), 'STATEMENT_REJECTED');
  });
});

describe('ending a request', () => {
  it('by rejecting it takes back what was approved, and nobody approves it any more', async () => {
    const asked = await ask();
    await approve(asked, people.alice);
    clock.advance(MINUTE);
    await makeRejectRequest(ports)({ approvalId: asked.approvalId, reason: 'not today' }, callOf('bob'));
    expect(counted()).toBe(0);
    expect((await list('billing')).approvals).toMatchObject([
      { status: 'rejected', endedBy: 'bob', endedReason: 'not today', approvers: ['alice'] },
    ]);
    await expectCode(approve(asked, people.bob), 'APPROVAL_NOT_FOUND');
    expect(ports.entries.at(-2)).toMatchObject({
      record: { type: 'approval.rejected', principal: 'bob' },
      beside: { reason: 'not today' },
    });
  });

  it('by rejecting takes the right to approve it', async () => {
    const { approvalId } = await ask();
    const rejecting = makeRejectRequest(ports)({ approvalId, reason: 'no' }, callOf('clerk'));
    await expectCode(rejecting, 'DENIED');
  });

  it('by cancelling is for the asker alone', async () => {
    const asked = await ask();
    await approve(asked, people.alice);
    const { approvalId } = asked;
    await expectCode(makeCancelRequest(ports)({ approvalId }, callOf('alice')), 'APPROVAL_NOT_FOUND');
    await makeCancelRequest(ports)({ approvalId }, callOf('billing'));
    expect(counted()).toBe(0);
    expect((await list('billing')).approvals).toMatchObject([{ status: 'cancelled', endedBy: 'billing' }]);
    // What ended does not stand in the way of asking again.
    expect((await ask()).approvalId).not.toBe(approvalId);
  });
});
