import { ROLES, type PolicyRequest, type Role } from '@keymesh/contracts';
import { makeDecider, type Verdict } from './decider.js';
import { policyReadsOf, type PolicyReads } from './policy-reads.js';
import { isInScope } from './policy-scope.js';
import type { ParsedPolicy } from './policy-set.js';

/** One thing that would have turned a forbid into a permit, and was seen to. */
export type Remedy =
  | { readonly what: 'role'; readonly role: Role }
  | { readonly what: 'approvals'; readonly approvals: number }
  | { readonly what: 'break-glass' }
  | { readonly what: 'role-and-break-glass' }
  | { readonly what: 'without-policies'; readonly policies: readonly string[] }
  | { readonly what: 'active-principal' };

/** An attribute that policies looked at. */
export interface AttributeRead {
  readonly of: 'principal' | 'resource' | 'context';
  /** `*`: the policy tells it from others by its id. */
  readonly attribute: string;
  /** Null where the request has none. */
  readonly value: string | number | boolean | readonly string[] | null;
}

/** Why a decision came out as it did. */
export interface Explanation extends Verdict {
  /** What the determining policies looked at; where none determined, what all policies on this action would have. */
  readonly attributes: readonly AttributeRead[];
  /** Each alone would have been enough. Empty for a permit, and where nothing that was tried is. */
  readonly wouldPermit: readonly Remedy[];
}

const MOST_APPROVALS = 5;

/**
 * Explains a decision of these policies. What would have permitted it is found by trying, never guessed.
 * @param objection what the directory said before any policy was asked (`principal: locked`); undefined: nothing.
 */
export function explainDecision(
  policies: readonly ParsedPolicy[],
  request: PolicyRequest,
  objection?: string,
): Explanation {
  const verdict = makeDecider(policies, 0).decide(request);
  const attributes = attributesOf(policies, request, verdict);
  if (objection !== undefined)
    return {
      ...{ effect: 'forbid', determiningPolicies: [], errors: [objection], attributes: [] },
      wouldPermit: verdict.effect === 'permit' ? [{ what: 'active-principal' }] : [],
    };
  const wouldPermit = verdict.effect === 'permit' ? [] : remediesOf(policies, request, verdict);
  return { ...verdict, attributes, wouldPermit };
}

function remediesOf(
  policies: readonly ParsedPolicy[],
  request: PolicyRequest,
  verdict: Verdict,
): readonly Remedy[] {
  const decider = makeDecider(policies, 0);
  const changes = requestChanges(request)
    .filter(([, changed]) => decider.decide(changed).effect === 'permit')
    .map(([remedy]) => remedy);
  const removals = removalsOf(verdict)
    .filter((without) => {
      const rest = policies.filter(({ id }) => !without.includes(id));
      return makeDecider(rest, 0).decide(request).effect === 'permit';
    })
    .map((ids): Remedy => ({ what: 'without-policies', policies: ids }));
  return [...changes.filter((remedy) => !isMoreThan(remedy, changes)), ...removals];
}

/** Every other request that is tried. */
function requestChanges(request: PolicyRequest): readonly (readonly [Remedy, PolicyRequest])[] {
  const { principal, context } = request;
  const roles = ROLES.filter((role) => !principal.roles.includes(role) && mayHold(principal.kind, role));
  const withRole = (role: Role): PolicyRequest['principal'] => ({
    ...principal,
    roles: [...principal.roles, role],
  });
  const opened = (who: PolicyRequest['principal']): PolicyRequest['principal'] => ({
    ...who,
    attributes: { ...who.attributes, breakGlass: true },
  });
  const known = typeof context.approvals === 'number' ? context.approvals : 0;
  const counts = Array.from({ length: MOST_APPROVALS }, (_, index) => index + 1).filter((n) => n > known);
  return [
    ...roles.map(
      (role) =>
        [
          { what: 'role', role },
          { ...request, principal: withRole(role) },
        ] as const,
    ),
    ...counts.map(
      (approvals) =>
        [
          { what: 'approvals', approvals },
          { ...request, context: { ...context, approvals } },
        ] as const,
    ),
    [{ what: 'break-glass' }, { ...request, principal: opened(principal) }],
    ...(roles.includes('break-glass')
      ? [
          [
            { what: 'role-and-break-glass' },
            { ...request, principal: opened(withRole('break-glass')) },
          ] as const,
        ]
      : []),
  ];
}

/** Roles that operators can give it: `fold-state.ts` refuses the others. */
const mayHold = (kind: PolicyRequest['principal']['kind'], role: Role): boolean =>
  kind === 'system' ? role !== 'operator' : role !== 'locker';

/** Each policy that denied alone, then all of them. */
function removalsOf({ determiningPolicies, errors }: Verdict): readonly (readonly string[])[] {
  const failed = errors
    .filter((error) => error.endsWith(FAILED))
    .map((error) => error.slice(0, -FAILED.length));
  const denied = failed.length > 0 ? failed : determiningPolicies;
  return denied.length > 1 ? [...denied.map((id) => [id]), denied] : denied.map((id) => [id]);
}
const FAILED = ': evaluation failed';

/** More of what is already enough: two approvals where one does, a role where opening the break-glass does. */
const isMoreThan = (remedy: Remedy, all: readonly Remedy[]): boolean =>
  all.some(
    (other) =>
      (remedy.what === 'approvals' && other.what === 'approvals' && other.approvals < remedy.approvals) ||
      (remedy.what === 'role-and-break-glass' &&
        (other.what === 'break-glass' || (other.what === 'role' && other.role === 'break-glass'))),
  );

function attributesOf(
  policies: readonly ParsedPolicy[],
  request: PolicyRequest,
  { determiningPolicies, errors }: Verdict,
): readonly AttributeRead[] {
  const concerned = policies.filter(({ json }) => isInScope(json, request.action, request.resource.kind));
  const decisive = concerned.filter(
    ({ id }) => determiningPolicies.includes(id) || errors.includes(`${id}${FAILED}`),
  );
  const reads = policyReadsOf((decisive.length > 0 ? decisive : concerned).map(({ json }) => json));
  return valuesOf(request, reads);
}

function valuesOf({ principal, resource, context }: PolicyRequest, reads: PolicyReads): AttributeRead[] {
  const variables = {
    principal: { id: principal.name, attributes: { ...principal.attributes, kind: principal.kind } },
    resource: { id: resource.id, attributes: resource.attributes },
    context: { id: null, attributes: context },
  } as const;
  return (['principal', 'resource', 'context'] as const).flatMap((of) => {
    const { id, attributes } = variables[of];
    const values = new Map(Object.entries(attributes));
    const whole = reads[of].whole ? [{ of, attribute: '*', value: id }] : [];
    const named = reads[of].attributes.map((attribute) => ({
      ...{ of, attribute },
      value: values.get(attribute) ?? null,
    }));
    return [...whole, ...named];
  });
}
