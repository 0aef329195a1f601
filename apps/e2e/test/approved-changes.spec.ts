import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Keymesh } from '@keymesh/client';
import { eventually } from '@keymesh/testing';
import { readLog } from './support/audit-log.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type CommandResult, type RunningMesh } from './support/running-mesh.js';

// What others must approve is not only a value: what policies say, and who reads the log. Typed as people type it.
const FOUR_EYES = `forbid(principal, action in [Keymesh::Action::"policy.write", Keymesh::Action::"audit.read"], resource)
unless { context has approvals && context.approvals >= 1 };
`;
const ONE = 'permit(principal, action == Keymesh::Action::"list", resource);\n';
const OTHER = 'permit(principal, action == Keymesh::Action::"describe", resource);\n';

let mesh: RunningMesh;
let folder: string;
let operator: Keymesh;

const as = (profile: string, ...args: string[]): Promise<CommandResult> =>
  mesh.cli([...args, '--profile', profile]);
async function done(work: Promise<CommandResult>): Promise<string> {
  const { code, stdout, stderr } = await work;
  expect(code === 0 ? 'done' : stderr).toBe('done');
  return stdout.toString('utf8').trim();
}
async function refused(work: Promise<CommandResult>): Promise<string> {
  const { code, stderr } = await work;
  expect([code, stderr]).toEqual([3, expect.stringContaining('APPROVAL_REQUIRED')]);
  return stderr;
}
const put = async (policyId: string, cedar: string, ...more: string[]): Promise<CommandResult> => {
  const file = join(folder, `${policyId}.cedar`);
  await writeFile(file, cedar);
  return as('operator', 'policy', 'put', file, ...more);
};
/** Asks with the refused command itself. @returns the id of the request. */
async function ask(work: (...more: string[]) => Promise<CommandResult>): Promise<string> {
  const told = await refused(work('--ask-approval', 'change 7'));
  return /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(told)![0];
}

beforeAll(async () => {
  mesh = await startMesh();
  folder = await mkdtemp(join(tmpdir(), 'keymesh-policies-'));
  const connected = await connectOperator(mesh);
  operator = connected.keymesh;
  await enrolAs(mesh, connected, 'alice', ['security-admin']);
}, 300_000);
afterAll(async () => {
  await operator.close();
  await mesh[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe('with a policy that wants a second person', () => {
  it('a policy is written by exactly the text that another saw and approved, once', async () => {
    await done(put('four-eyes', FOUR_EYES));
    const approvalId = await ask((...more) => put('prod', ONE, ...more));
    const shown = await done(as('alice', 'approval', 'show', approvalId, '--json'));
    const { content } = JSON.parse(shown) as { content: string };
    expect(JSON.parse(content)).toMatchObject({ policyId: 'prod', cedar: ONE.trim() });
    const own = await as('operator', 'approval', 'approve', approvalId);
    expect([own.code, own.stderr]).toEqual([3, expect.stringContaining('DENIED')]);
    await done(as('alice', 'approval', 'approve', approvalId));

    await refused(put('prod', OTHER));
    await refused(put('dev', ONE));
    await done(put('prod', ONE));
    expect(await done(as('operator', 'policy', 'show', 'prod'))).toContain('"list"');
    await refused(as('operator', 'policy', 'remove', 'prod'));
  }, 180_000);

  it('the log is read by whom another approved, and by nobody else; the record says who', async () => {
    const tail = (...more: string[]) => as('operator', 'audit', 'tail', '--count', '1', '--json', ...more);
    const approvalId = await ask(tail);
    await refused(as('alice', 'audit', 'tail', '--count', '1', '--json'));
    await done(as('alice', 'approval', 'approve', approvalId));
    // The audit service confirms the bundle before the approval is answered, or within the next moments.
    await eventually(() => done(tail()), { timeoutMs: 30_000 });
    await refused(as('alice', 'audit', 'tail', '--count', '1', '--json'));
    await eventually(
      async () => {
        const records = await readLog(operator);
        const reads = records.filter(({ type, outcome }) => type === 'audit.read' && outcome === 'success');
        expect(reads.at(-1)).toMatchObject({
          facts: { approvals: approvalId, approvers: 'alice' },
          decision: { request: { context: { approvals: 1 } } },
        });
        const [written] = records.filter(({ facts }) => facts?.approvers === 'alice');
        expect(written).toMatchObject({ type: 'policy.set', outcome: 'success', resource: { id: 'prod' } });
      },
      { timeoutMs: 30_000 },
    );
  }, 180_000);
});
