import { createHash } from 'node:crypto';
import {
  preparsePolicySet,
  statefulIsAuthorized,
  validate,
  type EntityJson,
  type TypeAndId,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyRequest } from '@keymesh/contracts';
import type { Policy } from './built-in-policies.js';
import { CEDAR_SCHEMA } from './cedar-schema.js';

const RESOURCE_TYPES = {
  credential: 'Keymesh::Credential',
  namespace: 'Keymesh::Namespace',
  principal: 'Keymesh::PrincipalRecord',
  'audit-log': 'Keymesh::AuditLog',
  finding: 'Keymesh::Finding',
  'channel-key': 'Keymesh::ChannelKey',
  rotation: 'Keymesh::Rotation',
} as const satisfies Record<PolicyRequest['resource']['kind'], string>;

/** Cedar has 64-bit integers, strings, booleans and sets; no fractions, no null. */
export const NOT_EXPRESSIBLE = 'request: not expressible in Cedar';

/** What Cedar says of one request. */
export interface CedarAnswer {
  readonly allowed: boolean;
  /** Ids of the policies that decided. */
  readonly reasons: readonly string[];
  /** `<policy id>: <what>`; never a value of the request. */
  readonly errors: readonly string[];
}

/** Ids of the sets that the module holds: it never forgets one. Sets are few: bundles rarely bring a forbid. */
const prepared = new Set<string>();

/**
 * Parses policies once, into memory of the WebAssembly module.
 * @returns the decision function, or undefined when a policy does not parse.
 */
export function prepareCedar(
  policies: readonly Policy[],
): ((request: PolicyRequest) => CedarAnswer) | undefined {
  const staticPolicies = Object.fromEntries(policies.map(({ id, cedar }) => [id, cedar]));
  // By content, so that bundles that change no policy cost neither time nor memory.
  const preparsedPolicySetId = createHash('sha256').update(JSON.stringify(staticPolicies)).digest('hex');
  if (!prepared.has(preparsedPolicySetId)) {
    if (preparsePolicySet(preparsedPolicySetId, { staticPolicies }).type !== 'success') return undefined;
    prepared.add(preparsedPolicySetId);
  }
  return (request) => ask(preparsedPolicySetId, request);
}

function ask(preparsedPolicySetId: string, request: PolicyRequest): CedarAnswer {
  const { principal, action, resource, context } = request;
  const principalId: TypeAndId = { type: 'Keymesh::Principal', id: principal.name };
  const resourceId: TypeAndId = { type: RESOURCE_TYPES[resource.kind], id: resource.id };
  const entities: EntityJson[] = [
    {
      uid: principalId,
      attrs: { ...principal.attributes, kind: principal.kind },
      parents: principal.roles.map((role) => ({ type: 'Keymesh::Role', id: role })),
    },
    { uid: resourceId, attrs: resource.attributes, parents: [] },
  ];
  const answer = statefulIsAuthorized({
    preparsedPolicySetId,
    principal: principalId,
    action: { type: 'Keymesh::Action', id: action },
    resource: resourceId,
    context,
    entities,
  });
  // INVARIANT: Cedar's own texts quote attributes of the request; only ids of policies are told.
  if (answer.type === 'failure') return { allowed: false, reasons: [], errors: [NOT_EXPRESSIBLE] };
  const { decision, diagnostics } = answer.response;
  return {
    allowed: decision === 'allow',
    reasons: [...diagnostics.reason].sort(),
    errors: diagnostics.errors.map(({ policyId }) => `${policyId}: evaluation failed`).sort(),
  };
}

/** Checks policies against the schema. @returns `<policy id>: <problem>`, empty when they are fit to be published. */
export function validatePolicies(policies: readonly Policy[]): readonly string[] {
  const staticPolicies = Object.fromEntries(policies.map(({ id, cedar }) => [id, cedar]));
  const answer = validate({ schema: CEDAR_SCHEMA, policies: { staticPolicies } });
  if (answer.type === 'failure') return answer.errors.map(({ message }) => `policies: ${message}`);
  return [...answer.validationErrors, ...answer.validationWarnings].map(
    ({ policyId, error }) => `${policyId}: ${error.message}`,
  );
}
