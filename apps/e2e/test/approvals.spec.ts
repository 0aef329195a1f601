import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Keymesh, type Profile } from '@keymesh/client';
import {
  describeCredential,
  listFindings,
  requestApproval,
  setPolicy,
  type BreakGlassSummary,
} from '@keymesh/contracts';
import { fromBase64Url, Secret, signingKeyOf } from '@keymesh/kernel';
import { signStatement } from '@keymesh/policy-engine';
import { eventually, expectCode } from '@keymesh/testing';
import { readLog } from './support/audit-log.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type CommandResult, type RunningMesh } from './support/running-mesh.js';
import { connectSiem, type Siem } from './support/siem.js';

// What takes others' word, and what takes nobody's but is seen by everybody; typed as people type it.
const POLICY = `forbid(principal, action == Keymesh::Action::"retrieve", resource)
when { resource has sensitivity && resource.sensitivity == "critical" }
unless { (context has approvals && context.approvals >= 2) || (principal has breakGlass && principal.breakGlass) };
`;
const VALUE = `key-${randomUUID()}-Zq`;
const SOON = { timeoutMs: 20_000 };

let mesh: RunningMesh;
let operator: { readonly profile: Profile; readonly keymesh: Keymesh };
let billing: Keymesh;
let oncall: Keymesh;
let siem: Siem;
/** When the approvals of a minute are over: what else is to be shown is shown meanwhile. */
let endsAt: number | undefined;

const as = (profile: string, ...args: string[]): Promise<CommandResult> =>
  mesh.cli([...args, '--profile', profile]);
const done = async (work: Promise<CommandResult>): Promise<string> => {
  const { code, stdout, stderr } = await work;
  expect(code === 0 ? 'done' : stderr).toBe('done');
  return stdout.toString('utf8').trim();
};
const request = (...more: string[]): Promise<string> =>
  done(
    as(
      'billing',
      ...[
        'approval',
        'request',
        '--action',
        'retrieve',
        '--credential',
        'pay/root',
        '--reason',
        'invoice run',
      ],
      ...more,
    ),
  );
const retrieve = async (client: Keymesh, more: { version?: number } = {}): Promise<string> => {
  using credential = await client.credentials.retrieve('pay/root', more);
  // EXPOSE: a spec's own value.
  return Buffer.from(credential.value.expose()).toString('utf8');
};
const openings = async (profile: string): Promise<BreakGlassSummary[]> =>
  JSON.parse(await done(as(profile, 'break-glass', 'list', '--json'))) as BreakGlassSummary[];

async function putPolicy(): Promise<void> {
  const { meshId, principal: issuer, channelSeed } = operator.profile;
  using seed = new Secret(fromBase64Url(channelSeed)!, 'channel-seed');
  const statement = signStatement(
    {
      ...{ v: 1, meshId, statementId: randomUUID(), issuedAt: new Date().toISOString(), issuer },
      ...{ type: 'policy.set', policyId: 'two-for-critical', cedar: POLICY, twoPerson: false, basedOn: null },
    },
    signingKeyOf(seed),
  );
  await operator.keymesh.call(setPolicy, { statement });
}

beforeAll(async () => {
  mesh = await startMesh();
  operator = await connectOperator(mesh);
  siem = await connectSiem(await enrolAs(mesh, operator, 'my-siem', ['siem']));
  await operator.keymesh.credentials.store({
    name: 'pay/root',
    type: 'api_key',
    values: { value: VALUE },
    sensitivity: 'critical',
  });
  billing = await connect({ profile: await enrolAs(mesh, operator, 'billing', ['reader']) });
  oncall = await connect({ profile: await enrolAs(mesh, operator, 'oncall', ['break-glass']) });
  await enrolAs(mesh, operator, 'alice', ['security-admin']);
  await enrolAs(mesh, operator, 'bob', ['security-admin']);
  await putPolicy();
  await eventually(() => expectCode(retrieve(billing), 'APPROVAL_REQUIRED'), SOON);
}, 300_000);
afterAll(async () => {
  await Promise.all([operator.keymesh, billing, oncall, siem].map((client) => client.close()));
  await mesh[Symbol.asyncDispose]();
}, 60_000);

describe('approvals', () => {
  it('are needed, and two others give them: then exactly that request gets the value, and the record says who', async () => {
    const refused = await as('billing', 'retrieve', 'pay/root');
    expect(refused.code).toBe(3);
    expect(refused.stdout).toHaveLength(0);
    expect(refused.stderr).toContain('APPROVAL_REQUIRED');
    const approvalId = await request();

    const shown = JSON.parse(await done(as('alice', 'approval', 'show', approvalId, '--json'))) as {
      requestDigest: string;
    };
    expect(shown).toMatchObject({
      credential: 'pay/root',
      reason: 'invoice run',
      status: 'open',
    });
    const self = await as('billing', 'approval', 'approve', approvalId);
    expect([self.code, self.stderr]).toEqual([3, expect.stringContaining('DENIED')]);
    const other = await as('alice', 'approval', 'approve', approvalId, '--digest', 'ab'.repeat(32));
    expect([other.code, other.stderr]).toEqual([4, expect.stringContaining('nothing was signed')]);
    await done(as('alice', 'approval', 'approve', approvalId, '--digest', shown.requestDigest));
    const { details } = await expectCode(retrieve(billing), 'APPROVAL_REQUIRED');
    expect(details).toMatchObject({ approvals: { needed: 2, given: 1 } });
    await done(as('bob', 'approval', 'approve', approvalId));
    // The answer to an approval comes when the vault has it.
    expect(await retrieve(billing)).toBe(VALUE);
    // Another version was never approved.
    await expectCode(retrieve(billing, { version: 1 }), 'APPROVAL_REQUIRED');

    const { requestDigest } = (details as { approvals: { requestDigest: string } }).approvals;
    expect(requestDigest).toBe(shown.requestDigest);
    await eventually(async () => {
      const records = await readLog(operator.keymesh);
      expect(records.filter(({ type }) => type.startsWith('approval.')).map(({ type }) => type)).toEqual(
        expect.arrayContaining(['approval.requested', 'approval.listed', 'approval.approved']),
      );
      const [released] = records.filter(
        ({ type, principal, outcome }) =>
          type === 'credential.retrieved' && principal === 'billing' && outcome === 'success',
      );
      expect(released).toMatchObject({
        facts: { approvals: approvalId, approvers: 'alice bob' },
        decision: { effect: 'permit', request: { context: { approvals: 2 } } },
      });
      expect(records.find(({ type }) => type === 'approval.requested')?.facts).toMatchObject({
        requestDigest,
      });
      expect(JSON.stringify(records)).not.toContain('invoice run');
    }, SOON);
  }, 120_000);

  it('end when somebody rejects the request', async () => {
    const [open] = JSON.parse(await done(as('billing', 'approval', 'list', '--json'))) as {
      approvalId: string;
    }[];
    expect(await retrieve(billing)).toBe(VALUE);
    await done(as('alice', 'approval', 'reject', open!.approvalId, '--reason', 'the run is over'));
    await expectCode(retrieve(billing), 'APPROVAL_REQUIRED');
  }, 60_000);

  it('count for as long as was asked for', async () => {
    const { credentialId } = await billing.call(describeCredential, { name: 'pay/root' });
    const { approvalId, expiresAt } = await billing.call(requestApproval, {
      action: 'retrieve',
      resource: { kind: 'credential', id: credentialId },
      attributes: { namespace: 'pay' },
      reason: 'for a minute',
      lastsSeconds: 60,
    });
    endsAt = Date.parse(expiresAt);
    await done(as('alice', 'approval', 'approve', approvalId));
    await done(as('bob', 'approval', 'approve', approvalId));
    expect(await retrieve(billing)).toBe(VALUE);
  }, 120_000);

  it('do not show to who may not describe it: as if it were not there', async () => {
    await expectCode(retrieve(oncall), 'CREDENTIAL_NOT_FOUND');
  });
});

describe('break-glass', () => {
  it('gives at once what nobody was asked for, and everybody is told', async () => {
    await expectCode(retrieve(oncall), 'CREDENTIAL_NOT_FOUND');
    const openingId = await done(
      as('oncall', 'break-glass', 'open', '--reason', 'payments stand still', '--minutes', '30'),
    );
    expect(await retrieve(oncall)).toBe(VALUE);
    await eventually(() => {
      const alert = siem.findings.find(({ finding }) => finding.kind === 'break-glass');
      expect(alert).toMatchObject({
        subject: 'keymesh.v1.alert.critical.break-glass',
        finding: { principal: 'oncall', severity: 'critical' },
      });
    }, SOON);
    const { findings } = await operator.keymesh.call(listFindings, {});
    expect(findings.map(({ kind }) => kind)).toContain('break-glass');
    await eventually(async () => {
      const records = await readLog(operator.keymesh);
      const used = records.filter(
        ({ type, principal, outcome }) =>
          type === 'credential.retrieved' && principal === 'oncall' && outcome === 'success',
      );
      expect(used[0]?.decision?.request.principal.attributes).toEqual({ breakGlass: true });
      expect(records.find(({ type }) => type === 'break-glass.opened')?.facts).toMatchObject({ openingId });
    }, SOON);
  }, 120_000);

  it('ends when an operator closes it, and is reviewed by somebody else', async () => {
    const [{ openingId }] = (await openings('operator')) as [BreakGlassSummary];
    await done(as('operator', 'break-glass', 'close', openingId));
    await expectCode(retrieve(oncall), 'CREDENTIAL_NOT_FOUND');
    expect(await openings('oncall')).toMatchObject([{ status: 'unreviewed', closedBy: 'operator' }]);
    const own = await as('oncall', 'break-glass', 'review', openingId, '--finding', 'all well');
    expect([own.code, own.stderr]).toEqual([3, expect.stringContaining('DENIED')]);
    await done(as('alice', 'break-glass', 'review', openingId, '--finding', 'one read, as said'));
    expect(await openings('alice')).toMatchObject([
      {
        status: 'reviewed',
        reviewedBy: 'alice',
        justified: true,
        reason: 'payments stand still',
        finding: 'one read, as said',
      },
    ]);
  }, 60_000);
});

it('approvals end by the clock', async () => {
  expect(endsAt).toBeDefined();
  await new Promise((resolve) => setTimeout(resolve, (endsAt ?? 0) - Date.now() + 500));
  await expectCode(retrieve(billing), 'APPROVAL_REQUIRED');
}, 120_000);
