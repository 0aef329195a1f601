import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ShadowPolicies } from '@keymesh/contracts';
import type { SigningKey } from '@keymesh/kernel';
import { shadowDigestOf, signStatement } from '@keymesh/policy-engine';
import { expectCode, makeTestClock, type TestClock } from '@keymesh/testing';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import { callOf, makeBookMesh, makeInvitation, type BookMesh } from '../../test/support/invitations.js';
import { makeDescribeShadow } from './describe-shadow.js';
import { makeSetShadow } from './set-shadow.js';

const FORBID: ShadowPolicies = [
  { policyId: 'no-export', cedar: 'forbid(principal, action == Keymesh::Action::"export", resource);' },
];
let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
let readerKey: SigningKey;

beforeEach(async () => {
  clock = makeTestClock();
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
  const reader = makeInvitation(mesh, 'reader', clock, { roles: ['reader'] });
  readerKey = reader.own.signingKey;
  await ports.book.change({ principal: 'operator', requestId: randomUUID() }, () => ({
    change: { statements: [reader.statement, reader.complete()] },
    records: [],
    reply: () => null,
  }));
});

const say = (digest: string | null, { by = mesh.operator.signingKey, issuer = 'operator' } = {}) => {
  clock.advance(1_000);
  return signStatement(
    {
      ...{ v: 1, meshId: mesh.trustRoot.meshId, statementId: randomUUID(), issuer },
      ...{ issuedAt: new Date(clock.now()).toISOString(), type: 'policy.shadow-set', digest },
    },
    by,
  );
};
const put = (policies: ShadowPolicies, statement = say(shadowDigestOf(policies)), by = 'operator') =>
  makeSetShadow(ports)({ statement, policies }, callOf(by));
const show = (texts: ShadowPolicies | undefined = FORBID, by = 'operator') =>
  makeDescribeShadow({ ...ports, findShadow: () => Promise.resolve(texts) })({}, callOf(by));

describe('setShadow', () => {
  it('puts what is signed into the shadow, says so in the record, and ends it', async () => {
    const { shadowId, bundleVersion } = await put(FORBID);
    expect(bundleVersion).toBe(ports.state().version);
    expect(ports.state().directory.shadow).toMatchObject({ shadowId, setBy: 'operator' });
    expect((await show()).shadow).toMatchObject({ shadowId, policies: FORBID });
    expect(
      await makeSetShadow(ports)({ statement: say(null), policies: [] }, callOf('operator')),
    ).toMatchObject({
      shadowId: null,
    });
    expect((await show()).shadow).toBeNull();
    expect(ports.records('policy-shadow.set')).toMatchObject([
      { outcome: 'success', facts: { policies: 1, digest: shadowDigestOf(FORBID) } },
      { outcome: 'success', facts: { policies: 0, digest: 'none' } },
    ]);
  });

  it('answers a repeat of the same statement without another change', async () => {
    const statement = say(shadowDigestOf(FORBID));
    const { shadowId } = await put(FORBID, statement);
    const { version } = ports.state();
    expect(await put(FORBID, statement)).toMatchObject({ shadowId });
    expect(ports.state().version).toBe(version);
  });

  it('refuses texts that are not the signed ones', async () => {
    await expectCode(put(FORBID, say(shadowDigestOf([]))), 'STATEMENT_REJECTED');
    await expectCode(put(FORBID, say(null)), 'STATEMENT_REJECTED');
    expect(ports.state().directory.shadow).toBeUndefined();
  });

  it('refuses texts that are no valid policies, naming them', async () => {
    const invalid = [
      ...FORBID,
      { policyId: 'odd', cedar: 'permit(principal, action, resource) when { resource.nmae == "x" };' },
    ];
    await expectCode(put(invalid), 'POLICY_INVALID');
    await expectCode(put([...FORBID, ...FORBID]), 'POLICY_INVALID');
    await expectCode(put([{ policyId: 'long', cedar: FORBID[0]!.cedar }, ...many(40)]), 'PAYLOAD_TOO_LARGE');
    expect(ports.records('policy-shadow.set').map(({ outcome, code }) => [outcome, code])).toEqual([
      ['failure', 'POLICY_INVALID'],
      ['failure', 'POLICY_INVALID'],
      ['failure', 'PAYLOAD_TOO_LARGE'],
    ]);
  });

  it('is for those who write policies, and showing it for those who read them', async () => {
    const statement = say(shadowDigestOf(FORBID), { by: readerKey, issuer: 'reader' });
    await expectCode(put(FORBID, statement, 'reader'), 'DENIED');
    await expectCode(show(FORBID, 'reader'), 'DENIED');
  });

  it('shows that its texts were lost', async () => {
    await put(FORBID);
    const found = await makeDescribeShadow({ ...ports, findShadow: () => Promise.resolve(undefined) })(
      {},
      callOf('operator'),
    );
    expect(found.shadow?.policies).toBeNull();
  });
});

const many = (count: number): ShadowPolicies =>
  Array.from({ length: count }, (_, n) => ({
    policyId: `p${n}`,
    cedar: `forbid(principal, action == Keymesh::Action::"export", resource); // ${'x'.repeat(8_000)}`,
  }));
