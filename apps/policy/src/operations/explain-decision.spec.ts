import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { explainDecision, PolicyRequest, RequestOf } from '@keymesh/contracts';
import { BUILT_IN_POLICIES, signStatement } from '@keymesh/policy-engine';
import { expectCode, makeTestClock } from '@keymesh/testing';
import { makeFakePorts } from '../../test/support/fake-ports.js';
import { callOf, makeBookMesh, makeInvitation } from '../../test/support/invitations.js';
import type { PolicySets } from '../domain/policy-sets.js';
import { makeDescribePolicySet } from './describe-policy-set.js';
import { makeExplainDecision } from './explain-decision.js';

const CRITICAL =
  'forbid(principal, action == Keymesh::Action::"retrieve", resource) when { resource has sensitivity && resource.sensitivity == "critical" };';
const THEN = 4;

/** A mesh with a reader, a policy in force, and one that was in force before. */
async function setUp() {
  const clock = makeTestClock();
  const mesh = makeBookMesh(clock);
  const ports = makeFakePorts(mesh, clock);
  const reader = makeInvitation(mesh, 'billing', clock, { roles: ['reader'] });
  const set = (cedar: string | null, basedOn: string | null, statementId: string) => {
    clock.advance(1_000);
    const issuedAt = new Date(clock.now()).toISOString();
    const said = { v: 1, meshId: mesh.trustRoot.meshId, statementId, issuedAt, issuer: 'operator' } as const;
    return signStatement(
      { ...said, type: 'policy.set', policyId: 'critical', cedar, twoPerson: false, basedOn },
      mesh.operator.signingKey,
    );
  };
  const [first, second] = [randomUUID(), randomUUID()];
  const old = CRITICAL.replace('critical', 'high');
  for (const text of [
    reader.statement,
    reader.complete(),
    set(old, null, first),
    set(CRITICAL, first, second),
  ])
    await ports.book.change({ principal: 'operator', requestId: randomUUID() }, () => ({
      change: { statements: [text] },
      records: [],
      reply: () => null,
    }));
  const known = [...BUILT_IN_POLICIES, { id: 'policy.critical', cedar: old }];
  const policySets: PolicySets = {
    find: (version) => Promise.resolve(version === THEN ? { digest: 'd', policies: known } : undefined),
    list: () => Promise.resolve([]),
  };
  const insight = { ...ports, policySets };
  const explain = (over: Partial<RequestOf<typeof explainDecision>> = {}, by = 'operator') =>
    makeExplainDecision(insight)(
      {
        principal: 'billing',
        action: 'retrieve',
        resource: { kind: 'credential', id: 'c1', attributes: { sensitivity: 'critical' } },
        context: {},
        ...over,
      },
      callOf(by),
    );
  return { clock, mesh, ports, insight, explain };
}
const asThen: PolicyRequest['principal'] = { name: 'gone', kind: 'service', roles: ['reader'] };

describe('explainDecision', () => {
  it('tells the policy that decided, who wrote it, what it looked at and what would do', async () => {
    const { explain, ports } = await setUp();
    const { decision, policies, attributes, wouldPermit } = await explain();
    expect(decision).toMatchObject({ effect: 'forbid', determiningPolicies: ['policy.critical'] });
    expect(policies).toEqual([
      {
        id: 'policy.critical',
        cedar: CRITICAL,
        setBy: 'operator',
        setAt: expect.any(String),
        confirmedBy: null,
      },
    ]);
    expect(attributes).toEqual([{ of: 'resource', attribute: 'sensitivity', value: 'critical' }]);
    expect(wouldPermit).toEqual([{ what: 'without-policies', policies: ['policy.critical'] }]);
    expect(ports.records('decision.explained')).toMatchObject([
      { outcome: 'success', principal: 'operator', facts: { action: 'retrieve', principal: 'billing' } },
    ]);
  });

  it('says what the engine decides for the same request', async () => {
    const { explain, ports } = await setUp();
    for (const sensitivity of ['critical', 'low']) {
      const resource = { kind: 'credential' as const, id: 'c1', attributes: { sensitivity } };
      const { decision } = await explain({ resource });
      const { request, ...verdict } = decision;
      expect(verdict).toEqual(ports.book.current().engine.decide(request));
    }
  });

  it('explains what was recorded by the policies and the principal of then', async () => {
    const { explain } = await setUp();
    const resource = { kind: 'credential' as const, id: 'c1', attributes: { sensitivity: 'high' } };
    const then = await explain({ principal: asThen, resource, bundleVersion: THEN });
    expect(then.decision).toMatchObject({
      ...{ effect: 'forbid', bundleVersion: THEN, determiningPolicies: ['policy.critical'], errors: [] },
    });
    expect(then.policies).toMatchObject([{ cedar: expect.stringContaining('high'), setBy: 'operator' }]);
    const objected = await explain({
      principal: asThen,
      bundleVersion: THEN,
      objection: 'principal: locked',
    });
    expect(objected.decision.errors).toEqual(['principal: locked']);
    await expectCode(explain({ principal: asThen, bundleVersion: THEN + 1 }), 'POLICY_NOT_FOUND');
  });

  it('tells the directory’s word before any policy’s', async () => {
    const { explain, ports } = await setUp();
    await ports.book.change({ principal: 'operator', requestId: randomUUID() }, () => ({
      change: {
        taken: [
          {
            principal: 'billing',
            takings: [{ principal: 'billing', status: 'disabled', until: null, reason: 'x' }],
          },
        ],
      },
      records: [],
      reply: () => null,
    }));
    const resource = { kind: 'credential' as const, id: 'c1', attributes: {} };
    expect(await explain({ resource })).toMatchObject({
      decision: { effect: 'forbid', errors: ['principal: disabled'] },
      wouldPermit: [{ what: 'active-principal' }],
    });
  });

  it('is for those who may read policies; a no is recorded', async () => {
    const { explain, ports, insight } = await setUp();
    await expectCode(explain({}, 'billing'), 'DENIED');
    await expectCode(makeDescribePolicySet(insight)({ skip: 0 }, callOf('billing')), 'DENIED');
    expect(ports.records('decision.explained')).toMatchObject([{ outcome: 'denied', code: 'DENIED' }]);
    await expectCode(explain({ principal: 'nobody' }), 'PRINCIPAL_NOT_FOUND');
  });
});

describe('describePolicySet', () => {
  it('comes in pages that fit into a message', async () => {
    const { insight } = await setUp();
    const long = Array.from({ length: 150 }, (_, n) => ({
      id: `policy.p${n}`,
      cedar: `permit(principal, action, resource); // ${'x'.repeat(8_000)}`,
    }));
    const policySets: PolicySets = {
      ...insight.policySets,
      find: () => Promise.resolve({ digest: 'd', policies: long }),
    };
    const describeSet = makeDescribePolicySet({ ...insight, policySets });
    const ids: string[] = [];
    for (let skip: number | null = 0; skip !== null;) {
      const page: Awaited<ReturnType<typeof describeSet>> = await describeSet({ skip }, callOf('operator'));
      expect(JSON.stringify(page).length).toBeLessThan(900 * 1024);
      ids.push(...page.policies.map(({ id }) => id));
      skip = page.nextSkip;
    }
    expect(ids).toEqual(long.map(({ id }) => id));
  });
});
