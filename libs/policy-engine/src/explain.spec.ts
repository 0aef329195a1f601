import { describe, expect, it } from '@jest/globals';
import { ACTIONS, ROLES, type PolicyRequest } from '@keymesh/contracts';
import fc from 'fast-check';
import { BUILT_IN_POLICIES } from './built-in-policies.js';
import { makeDecider } from './decider.js';
import { explainDecision, type Remedy } from './explain.js';
import { parsePolicies } from './policy-set.js';

const setOf = (...cedar: string[]) =>
  parsePolicies([
    ...BUILT_IN_POLICIES,
    ...cedar.map((text, index) => ({ id: `policy.p${index}`, cedar: text })),
  ]);
const request = (over: Partial<PolicyRequest> = {}): PolicyRequest => ({
  principal: { name: 'billing', kind: 'service', roles: ['reader'] },
  action: 'retrieve',
  resource: { kind: 'credential', id: 'c1', attributes: { namespace: 'prod', sensitivity: 'critical' } },
  context: {},
  ...over,
});
const CRITICAL = `forbid(principal, action == Keymesh::Action::"retrieve", resource)
  when { resource has sensitivity && resource.sensitivity == "critical" }
  unless { context has approvals && context.approvals >= 2 };`;

describe('an explanation', () => {
  it('of a permit names the policies and needs no remedy', () => {
    expect(explainDecision(setOf(), request())).toEqual({
      effect: 'permit',
      determiningPolicies: ['role.reader'],
      errors: [],
      attributes: [],
      wouldPermit: [],
    });
  });

  it('of a default deny tries every role that the principal could have', () => {
    const { determiningPolicies, wouldPermit } = explainDecision(setOf(), request({ action: 'store' }));
    expect(determiningPolicies).toEqual([]);
    expect(wouldPermit).toEqual([
      { what: 'role', role: 'writer' },
      { what: 'role', role: 'operator' },
      { what: 'role-and-break-glass' },
    ]);
  });

  it('of a forbid names what it looked at, how many approvals would do, and which policy stands in the way', () => {
    expect(explainDecision(setOf(CRITICAL), request())).toEqual({
      effect: 'forbid',
      determiningPolicies: ['policy.p0'],
      errors: [],
      attributes: [
        { of: 'resource', attribute: 'sensitivity', value: 'critical' },
        { of: 'context', attribute: 'approvals', value: null },
      ],
      wouldPermit: [
        { what: 'approvals', approvals: 2 },
        { what: 'without-policies', policies: ['policy.p0'] },
      ],
    });
  });

  it('does not call one of two forbids enough', () => {
    const { wouldPermit } = explainDecision(
      setOf(
        'forbid(principal, action, resource) when { resource has namespace && resource.namespace == "prod" };',
        'forbid(principal == Keymesh::Principal::"billing", action, resource);',
      ),
      request(),
    );
    expect(wouldPermit).toEqual([{ what: 'without-policies', policies: ['policy.p0', 'policy.p1'] }]);
  });

  it('finds the policy that errs', () => {
    const errs =
      'permit(principal, action == Keymesh::Action::"retrieve", resource) when { resource.owner == "me" };';
    const { errors, wouldPermit, attributes } = explainDecision(setOf(errs), request());
    expect(errors).toEqual(['policy.p0: evaluation failed']);
    expect(wouldPermit).toEqual([{ what: 'without-policies', policies: ['policy.p0'] }]);
    expect(attributes).toContainEqual({ of: 'resource', attribute: 'owner', value: null });
  });

  it('tells what the directory said before any policy was asked', () => {
    expect(explainDecision(setOf(), request(), 'principal: locked')).toMatchObject({
      effect: 'forbid',
      errors: ['principal: locked'],
      wouldPermit: [{ what: 'active-principal' }],
    });
    const other = explainDecision(setOf(), request({ action: 'store' }), 'principal: locked');
    expect(other.wouldPermit).toEqual([]);
  });

  it('knows a holder of break-glass that has not opened it', () => {
    const who = { name: 'carol', kind: 'operator', roles: ['break-glass'] } as const;
    const closed = request({ principal: { ...who, roles: [...who.roles] } });
    expect(explainDecision(setOf(), closed).wouldPermit).toContainEqual({ what: 'break-glass' });
  });

  it('never promises what the engine would not do', () => {
    const texts = [
      CRITICAL,
      'forbid(principal, action, resource) when { principal has team && principal.team == "red" };',
      'permit(principal, action == Keymesh::Action::"destroy", resource) when { context has approvals && context.approvals > 3 };',
      'forbid(principal, action, resource) when { resource.namespace == "prod" };',
    ];
    fc.assert(
      fc.property(
        fc.subarray(texts),
        fc.subarray(ROLES.filter((role) => role !== 'locker')),
        fc.constantFrom(...ACTIONS),
        fc.constantFrom({}, { namespace: 'prod' }, { namespace: 'prod', sensitivity: 'critical' }),
        (cedar, roles, action, attributes) => {
          const asked = request({
            principal: { name: 'billing', kind: 'service', roles: [...roles] },
            action,
            resource: { kind: 'credential', id: 'c1', attributes },
          });
          for (const remedy of explainDecision(setOf(...cedar), asked).wouldPermit)
            expect([remedy, applied(setOf(...cedar), asked, remedy)]).toEqual([remedy, 'permit']);
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** Does what a remedy says, and asks. */
function applied(policies: ReturnType<typeof setOf>, asked: PolicyRequest, remedy: Remedy): string {
  const { principal, context } = asked;
  const opened = { ...principal.attributes, breakGlass: true };
  switch (remedy.what) {
    case 'role':
      return makeDecider(policies, 0).decide({
        ...asked,
        principal: { ...principal, roles: [...principal.roles, remedy.role] },
      }).effect;
    case 'approvals':
      return makeDecider(policies, 0).decide({
        ...asked,
        context: { ...context, approvals: remedy.approvals },
      }).effect;
    case 'break-glass':
      return makeDecider(policies, 0).decide({ ...asked, principal: { ...principal, attributes: opened } })
        .effect;
    case 'role-and-break-glass':
      return makeDecider(policies, 0).decide({
        ...asked,
        principal: { ...principal, roles: [...principal.roles, 'break-glass'], attributes: opened },
      }).effect;
    case 'without-policies':
      return makeDecider(
        policies.filter(({ id }) => !remedy.policies.includes(id)),
        0,
      ).decide(asked).effect;
    case 'active-principal':
      return 'forbid';
  }
}
