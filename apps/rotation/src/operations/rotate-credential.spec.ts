import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type {
  Approval,
  CredentialMetadata,
  Role,
  RotationSummary,
  Statement,
  TrustRoot,
} from '@keymesh/contracts';
import { HOUR } from '@keymesh/kernel';
import {
  BUILT_IN_POLICIES,
  foldStatements,
  makePolicyEngine,
  signApproval,
  signStatement,
  type Directory,
} from '@keymesh/policy-engine';
import { makeAskPolicy, makePolicyPort } from '@keymesh/service-kit';
import { expectCode, makeTestClock, makeTestPrincipal, type TestPrincipal } from '@keymesh/testing';
import type { Asker } from '../domain/records.js';
import { makeRotateCredential } from './rotate-credential.js';

const clock = makeTestClock();
const operator = makeTestPrincipal('operator', ['operator'], 'operator');
const writer = makeTestPrincipal('writer', ['writer']);
const alice = makeTestPrincipal('alice', ['security-admin']);
const trustRoot: TrustRoot = {
  v: 1,
  meshId: 'test-mesh',
  meshPublicKey: makeTestPrincipal('mesh').signingKey.publicKeyText,
  bundlePublicKey: makeTestPrincipal('bundle').signingKey.publicKeyText,
  operators: [{ name: 'operator', channelKey: operator.signingKey.publicKeyText }],
};
const now = (): string => new Date(clock.now()).toISOString();
const sign = (statement: object): string =>
  signStatement(
    {
      ...{ v: 1, meshId: trustRoot.meshId, statementId: randomUUID(), issuedAt: now(), issuer: 'operator' },
      ...statement,
    } as Statement,
    operator.signingKey,
  );
const granted = ({ name, kind, roles, publicNkey, signingKey }: TestPrincipal): string =>
  sign({
    ...{ type: 'principal.granted', principal: name, kind, roles: roles as Role[] },
    ...{ nkey: publicNkey, channelKey: signingKey.publicKeyText },
  });
const ONE = `forbid(principal, action == Keymesh::Action::"rotate", resource)
when { resource has sensitivity && resource.sensitivity == "critical" }
unless { context has approvals && context.approvals >= 1 };`;
const base = foldStatements(
  trustRoot,
  [
    ...[operator, writer, alice].map(granted),
    sign({ type: 'policy.set', policyId: 'one', cedar: ONE, twoPerson: false, basedOn: null }),
  ],
  { clock },
);
const credential = {
  ...{ credentialId: randomUUID(), name: 'pay/root', namespace: 'pay', type: 'api_key', provider: null },
  ...{ owner: 'writer', tags: [], isActive: true, sensitivity: 'critical', expiresAt: null },
  rotation: { adapter: 'generated' },
} as unknown as CredentialMetadata;

describe('rotateCredential', () => {
  let directory: Directory;
  let started: Asker[];
  let risk: number | undefined;
  const rotate = () => {
    const engine = makePolicyEngine({ version: 1, policies: [...BUILT_IN_POLICIES] }, directory);
    const policy = { version: 1, engine, directory };
    return makeRotateCredential({
      askPolicy: makeAskPolicy(makePolicyPort({ currentPolicy: () => policy }, clock), {
        service: 'rotation',
        riskOf: () => risk,
      }),
      clock,
      findByName: () => Promise.resolve(credential),
      start: (_, asker) => Promise.resolve({ rotationId: String(started.push(asker)) }),
      waitUntilOver: (rotationId) => Promise.resolve({ rotationId } as RotationSummary),
      recordRefusal: () => Promise.resolve(),
    })(
      { name: 'pay/root' },
      {
        ...{ principal: 'writer', sessionId: undefined, requestId: randomUUID(), deadlineAt: Infinity },
        ...{ traceparent: undefined, channel: 'encrypted' },
      },
    );
  };
  const approval = (): Approval => ({
    ...{ v: 1, meshId: trustRoot.meshId, approvalId: randomUUID(), approver: 'alice', issuedAt: now() },
    expiresAt: new Date(clock.now() + HOUR).toISOString(),
    request: {
      ...{ principal: 'writer', action: 'rotate' },
      resource: { kind: 'credential', id: credential.credentialId },
    },
  });

  beforeEach(() => {
    directory = base;
    started = [];
    risk = undefined;
  });

  it('that takes an approval starts nothing without one, and says so', async () => {
    const { details } = await expectCode(rotate(), 'APPROVAL_REQUIRED');
    expect(details).toMatchObject({ approvals: { needed: 1, given: 0 } });
    expect(started).toEqual([]);
  });

  it('goes on with one, which is in the decision that is kept', async () => {
    directory = base.withApprovals([signApproval(approval(), alice.signingKey)]);
    await rotate();
    expect(started).toMatchObject([
      { decision: { effect: 'permit', request: { context: { approvals: 1 } } } },
    ]);
  });

  it('is decided with what the detector thinks of the asker, where it is known', async () => {
    directory = base.withApprovals([signApproval(approval(), alice.signingKey)]);
    await rotate();
    risk = 0;
    await rotate();
    risk = 71;
    await rotate();
    expect(started.map(({ decision }) => decision?.request.context.risk)).toEqual([undefined, 0, 71]);
  });
});
