import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  approveRequest,
  listApprovals,
  listBreakGlass,
  openBreakGlass,
  rejectRequest,
  requestApproval,
  type Approval,
  type ReplyOf,
  type Statement,
} from '@keymesh/contracts';
import { HOUR } from '@keymesh/kernel';
import { getPolicyBundle, type Caller, type MeshConnection } from '@keymesh/mesh';
import { openBundle, signApproval, signStatement } from '@keymesh/policy-engine';
import { eventually, expectCode, type ServiceProcess, type TestPrincipal } from '@keymesh/testing';
import { startPolicyMesh, type PolicyMesh } from './support/policy-mesh.js';

type Asked = ReplyOf<typeof requestApproval>;
interface Person extends TestPrincipal {
  readonly caller: Caller;
}

let on: PolicyMesh;
let service: ServiceProcess;
let vault: MeshConnection;
let billing: Person;
let alice: Person;
let bob: Person;
let oncall: Person;

const enrolled = async (name: string, roles: Parameters<PolicyMesh['enrol']>[1]): Promise<Person> => {
  const principal = await on.enrol(name, roles);
  const { caller } = await on.callerOf(principal);
  return { ...principal, caller };
};
beforeAll(async () => {
  on = await startPolicyMesh();
  service = await on.start();
  vault = await on.mesh.connectAs('vault');
  billing = await enrolled('billing', ['reader']);
  alice = await enrolled('alice', ['security-admin']);
  bob = await enrolled('bob', ['security-admin']);
  oncall = await enrolled('oncall', ['break-glass']);
}, 120_000);
afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
});

const RESOURCE = { kind: 'credential' as const, id: randomUUID() };
const ask = (version: number): Promise<Asked> =>
  billing.caller.call(requestApproval, {
    ...{ action: 'retrieve', resource: RESOURCE, version },
    ...{ attributes: { namespace: 'pay' }, reason: 'spec', lastsSeconds: 3_600 },
  });
function approvalOf({ approvalId, expiresAt }: Asked, version: number, by: Person): string {
  const approval: Approval = {
    ...{ v: 1, meshId: on.mesh.trustRoot.meshId, approvalId, approver: by.name, expiresAt },
    request: { principal: 'billing', action: 'retrieve', resource: RESOURCE, version },
    issuedAt: new Date().toISOString(),
  };
  return signApproval(approval, by.signingKey);
}
const approve = (asked: Asked, version: number, by: Person) =>
  by.caller.call(approveRequest, { approval: approvalOf(asked, version, by) });
/** Approvals that services have, by request. */
const carried = async (): Promise<readonly string[]> => {
  const { directory } = openBundle((await getPolicyBundle(vault))!.bytes, on.mesh.trustRoot);
  return directory.approvals.map(({ approval }) => `${approval.approvalId} ${approval.approver}`);
};
const killed = async (): Promise<void> => {
  await service.kill('SIGKILL');
  service = await on.start();
};

describe('approvals, with the policy service killed in between', () => {
  it('that were answered are in the bundle, with both approvers, also of two who approve at once', async () => {
    const asked = await ask(1);
    const replies = await Promise.all([approve(asked, 1, alice), approve(asked, 1, bob)]);
    expect(replies.map(({ approvals }) => approvals).sort()).toEqual([1, 2]);
    await killed();
    expect([...(await carried())].sort()).toEqual([`${asked.approvalId} alice`, `${asked.approvalId} bob`]);
    const { approvals } = await alice.caller.call(listApprovals, { approvalId: asked.approvalId });
    expect(approvals).toMatchObject([
      { status: 'open', approvers: expect.arrayContaining(['alice', 'bob']) },
    ]);
  }, 60_000);

  it('whose request was rejected do not come back, and nobody adds one', async () => {
    const asked = await ask(2);
    await approve(asked, 2, alice);
    await bob.caller.call(rejectRequest, { approvalId: asked.approvalId, reason: 'no' });
    await killed();
    await ask(3); // the next change writes no approval of it either
    await expectCode(approve(asked, 2, bob), 'APPROVAL_NOT_FOUND');
    expect((await carried()).filter((one) => one.startsWith(asked.approvalId))).toEqual([]);
  }, 60_000);

  it('come to one end where one approves and another rejects at once: a rejected request has no approval', async () => {
    for (let version = 10; version < 16; version += 1) {
      const asked = await ask(version);
      await Promise.allSettled([
        approve(asked, version, alice),
        bob.caller.call(rejectRequest, { approvalId: asked.approvalId, reason: 'no' }),
      ]);
      const { approvals } = await alice.caller.call(listApprovals, { approvalId: asked.approvalId });
      expect(approvals).toMatchObject([{ status: 'rejected' }]);
      expect((await carried()).filter((one) => one.startsWith(asked.approvalId))).toEqual([]);
    }
  }, 60_000);

  it('that are under way when it is killed are answered once they are kept, and are asked for once', async () => {
    const answered: string[] = [];
    const stop = new AbortController();
    const working = (async () => {
      for (let version = 100; !stop.signal.aborted; version += 1) {
        const asked = await ask(version).catch(() => undefined);
        const reply =
          asked === undefined ? undefined : await approve(asked, version, alice).catch(() => undefined);
        if (asked !== undefined && reply !== undefined) answered.push(`${asked.approvalId} alice`);
        // Not too fast: each stays open, and twenty are all that one may have.
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    })();
    await eventually(() => expect(answered.length).toBeGreaterThan(2), { timeoutMs: 30_000 });
    await killed();
    const before = answered.length;
    await eventually(() => expect(answered.length).toBeGreaterThan(before + 1), { timeoutMs: 30_000 });
    stop.abort();
    await working;
    expect(await carried()).toEqual(expect.arrayContaining(answered));
    const rows = await on.sql<{ digest: string }>(
      `SELECT request_digest AS digest FROM approval_request WHERE ended IS NULL`,
    );
    expect(new Set(rows.map(({ digest }) => digest)).size).toBe(rows.length);
  }, 120_000);

  it('and an opening of break-glass that was answered is open, with its reason', async () => {
    const until = new Date(Date.now() + HOUR).toISOString();
    const said: Statement = {
      ...{ v: 1, meshId: on.mesh.trustRoot.meshId, statementId: randomUUID(), issuer: 'oncall' },
      ...{ issuedAt: new Date().toISOString(), type: 'break-glass.opened', principal: 'oncall', until },
    };
    const statement = signStatement(said, oncall.signingKey);
    const { openingId } = await oncall.caller.call(openBreakGlass, { statement, reason: 'spec' });
    await killed();
    const { directory } = openBundle((await getPolicyBundle(vault))!.bytes, on.mesh.trustRoot);
    expect(directory.find('oncall')?.breakGlassUntil).toBe(until);
    expect((await alice.caller.call(listBreakGlass, {})).openings).toMatchObject([
      { openingId, status: 'open', reason: 'spec' },
    ]);
    // Carried to the journal at least once; the ledger takes the first of one id.
    await eventually(() => {
      const ids = on.records('break-glass.opened').map(({ id }) => id);
      expect(new Set(ids).size).toBe(1);
    });
    expect(JSON.stringify(on.records('break-glass.opened'))).not.toContain('"spec"');
  }, 60_000);
});
