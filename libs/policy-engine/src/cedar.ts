import { createHash } from 'node:crypto';
import {
  preparsePolicySet,
  statefulIsAuthorized,
  type Context,
  type EntityJson,
  type TypeAndId,
} from '@cedar-policy/cedar-wasm/nodejs';
import { LRUCache } from 'lru-cache';
import type { PolicyRequest } from '@keymesh/contracts';
import type { Policy } from './built-in-policies.js';

/** Cedar's entity types for kinds of resources. */
export const RESOURCE_TYPES = {
  credential: 'Keymesh::Credential',
  namespace: 'Keymesh::Namespace',
  principal: 'Keymesh::PrincipalRecord',
  policy: 'Keymesh::Policy',
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

/**
 * Sets that the module holds, by a hash of their content: bundles that change no policy cost neither time nor memory. The module forgets
 * no set, but takes another one under the same id: so ids are used again, and its memory stays bounded.
 */
const prepared = new LRUCache<string, string>({
  max: 1_000,
  maxSize: 20_000_000,
  dispose: (id) => void freed.push(id),
});
const freed: string[] = [];
let ids = 0;

/**
 * Parses policies into memory of the WebAssembly module, once.
 * @returns what asks them. Policies that do not parse together answer with an error, which denies.
 */
export function prepareCedar(policies: readonly Policy[]): (request: PolicyRequest) => CedarAnswer {
  const staticPolicies = Object.fromEntries(policies.map(({ id, cedar }) => [id, cedar]));
  const text = JSON.stringify(staticPolicies);
  const hash = createHash('sha256').update(text).digest('hex');
  return (request) => {
    const known = prepared.get(hash);
    if (known !== undefined) return ask(known, request);
    const id = freed.pop() ?? `set-${String((ids += 1))}`;
    if (preparsePolicySet(id, { staticPolicies }).type !== 'success') {
      freed.push(id);
      return { allowed: false, reasons: [], errors: ['policies: do not parse together'] };
    }
    prepared.set(hash, id, { size: text.length });
    return ask(id, request);
  };
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
    context: contextOf(context),
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

/** `network` is an address block to Cedar, a string in requests and records. */
const contextOf = ({ network, ...context }: PolicyRequest['context']): Context =>
  typeof network === 'string' ? { ...context, network: { __extn: { fn: 'ip', arg: network } } } : context;
