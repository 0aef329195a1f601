import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  retrieveCredential,
  storeCredential,
  type Approval,
  type PolicyBundle,
  type Statement,
} from '@keymesh/contracts';
import { HOUR, type SigningKey } from '@keymesh/kernel';
import { getPolicyBundle, putPolicyBundle, type Caller, type MeshConnection } from '@keymesh/mesh';
import { openBundle, signApproval, signBundle, signStatement } from '@keymesh/policy-engine';
import { eventually, expectCode, makeTestPrincipal, type TestPrincipal } from '@keymesh/testing';
import { API_KEY, text, textOf } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

// The attacker has all that the policy service has, and wants the value that two others have to approve. The vault is the real one.
const TWO = `forbid(principal, action == Keymesh::Action::"retrieve", resource)
when { resource has sensitivity && resource.sensitivity == "critical" }
unless { context has approvals && context.approvals >= 2 };`;
let world: VaultWorld;
let reader: Caller;
let alice: TestPrincipal;
let bob: TestPrincipal;
let bus: MeshConnection;
let statements: string[];
let credentialId: string;
let version = 100;

async function publish(change: Partial<PolicyBundle>): Promise<void> {
  version += 1;
  const { meshId } = world.mesh.trustRoot;
  const issuedAt = new Date().toISOString();
  const bundle: PolicyBundle = {
    ...{ v: 1, meshId, version, issuedAt, statements, policies: [], taken: [] },
    ...change,
  };
  await putPolicyBundle(bus, signBundle(bundle, world.mesh.bundleKey));
  await eventually(async () => {
    const [row] = await world.rows.query<{ version: number }[]>('SELECT version FROM bundle_floor');
    expect(row?.version).toBe(version);
  });
}
const retrieve = (more: { version?: number } = {}) =>
  reader.call(retrieveCredential, { name: 'key', ...more });
const approvalBy = (approver: string, by: SigningKey, over: Partial<Approval> = {}): string =>
  signApproval(
    {
      v: 1,
      meshId: world.mesh.trustRoot.meshId,
      approvalId: randomUUID(),
      request: {
        principal: 'reader',
        action: 'retrieve',
        resource: { kind: 'credential', id: credentialId },
      },
      approver,
      issuedAt: new Date().toISOString(),
      expiresAt: new Date(Date.now() + HOUR).toISOString(),
      ...over,
    },
    by,
  );
const honest = (): string => approvalBy('alice', alice.signingKey);

beforeAll(async () => {
  world = await startVaultWorld();
  const writer = await world.addClient('writer', ['writer']);
  reader = await world.addClient('reader', ['reader']);
  alice = await world.addPrincipal('alice', ['security-admin']);
  bob = await world.addPrincipal('bob', ['security-admin']);
  bus = await world.mesh.connectAs('policy');
  await world.startVault();
  const stored = await writer.call(storeCredential, {
    name: 'key',
    type: 'api_key',
    sensitivity: 'critical',
    values: { value: text(API_KEY) },
  });
  ({ credentialId } = stored);
  const opened = openBundle((await getPolicyBundle(bus))!.bytes, world.mesh.trustRoot);
  const policy: Statement = {
    ...{ v: 1, meshId: world.mesh.trustRoot.meshId, statementId: randomUUID(), issuer: 'operator' },
    issuedAt: new Date().toISOString(),
    ...{ type: 'policy.set', policyId: 'two', cedar: TWO, twoPerson: false, basedOn: null },
  };
  statements = [...opened.bundle.statements, signStatement(policy, world.mesh.operator.signingKey)];
}, 120_000);
afterAll(() => world.stop(), 30_000);

const thief = makeTestPrincipal('thief');
const attempts: readonly (readonly [string, () => string])[] = [
  ['signs it with the bundle key', () => approvalBy('bob', world.mesh.bundleKey)],
  ['signs it with a key of its own', () => approvalBy('bob', thief.signingKey)],
  ['shows one approver’s twice', () => honest()],
  ['puts another name into an approver’s', () => approvalBy('bob', alice.signingKey)],
  [
    'shows an approval of another credential',
    () =>
      approvalBy('bob', bob.signingKey, {
        request: {
          principal: 'reader',
          action: 'retrieve',
          resource: { kind: 'credential', id: randomUUID() },
        },
      }),
  ],
  [
    'shows an approval of another asker',
    () =>
      approvalBy('bob', bob.signingKey, {
        request: {
          principal: 'writer',
          action: 'retrieve',
          resource: { kind: 'credential', id: credentialId },
        },
      }),
  ],
  [
    'shows an expired one',
    () => approvalBy('bob', bob.signingKey, { expiresAt: new Date(Date.now() - 1).toISOString() }),
  ],
  ['shows one of another mesh', () => approvalBy('bob', bob.signingKey, { meshId: 'other' })],
  ['writes what is no approval', () => 'a.b.c'],
];

describe('a policy service that was taken over', () => {
  it.each(attempts)('and %s: the vault takes the bundle, and counts one', async (_, forged) => {
    await publish({ approvals: [honest(), forged()] });
    const { details } = await expectCode(retrieve(), 'APPROVAL_REQUIRED');
    expect(details).toMatchObject({ approvals: { needed: 2, given: 1 } });
  });

  it('cannot count a disabled approver', async () => {
    const approvals = [honest(), approvalBy('bob', bob.signingKey)];
    const taken = [{ principal: 'bob', status: 'disabled' as const, until: null, reason: 'spec' }];
    await publish({ approvals, taken });
    await expectCode(retrieve(), 'APPROVAL_REQUIRED');
  });

  it('can leave approvals out, and bring back one that was rejected, until that expires', async () => {
    const soon = { expiresAt: new Date(Date.now() + 4_000).toISOString() };
    const approvals = [honest(), approvalBy('bob', bob.signingKey, soon)];
    await publish({ approvals });
    const { values } = await retrieve();
    expect(textOf(values.value)).toBe(API_KEY);
    await publish({});
    await expectCode(retrieve(), 'APPROVAL_REQUIRED');
    await publish({ approvals });
    (await retrieve()).values.value!.dispose();
    await expectCode(retrieve({ version: 1 }), 'APPROVAL_REQUIRED');
    await eventually(() => expectCode(retrieve(), 'APPROVAL_REQUIRED'));
  }, 30_000);
});
