import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { LRUCache } from 'lru-cache';
import { failure, type PolicyBundle, type PolicyRequest } from '@keymesh/contracts';
import type { KeymeshError } from '@keymesh/kernel';
import { BUILT_IN_POLICIES, type Policy } from './built-in-policies.js';
import { NOT_EXPRESSIBLE, prepareCedar, type CedarAnswer } from './cedar.js';
import type { Directory, DirectoryEntry } from './directory.js';
import { isCacheable, parsePolicy, policyReadsOf, type PolicyReads } from './policy-reads.js';

/** The answer to a policy request. A forbid is data, not an error. */
export interface Decision {
  readonly effect: 'permit' | 'forbid';
  readonly bundleVersion: number;
  /** Ids of the policies that decided; empty for the default deny. Frozen: it goes into audit records as it is. */
  readonly determiningPolicies: string[];
  /** Any of these makes it a forbid. Frozen. */
  readonly errors: string[];
}

export interface PolicyEngine {
  readonly bundleVersion: number;
  /** Permits of the bundle that are not built in: they have no effect. Ids, for the log. */
  readonly ignoredPolicies: readonly string[];
  /** Default deny; forbid wins; a policy that errors denies. Synchronous, no I/O. */
  decide(request: PolicyRequest): Decision;
  /** For metrics. */
  stats(): { readonly hits: number; readonly misses: number };
}

/** @param cacheEntries decisions kept (default 20,000; 0: none). */
export interface PolicyEngineOptions {
  readonly cacheEntries?: number;
}

/**
 * Makes the engine of one bundle. Its permits are the built-in ones and those that operators wrote and signed (`policy.<id>`); the
 * bundle's own policies can only forbid.
 * @throws POLICY_UNAVAILABLE when a policy of the bundle does not parse: what it would forbid cannot be known.
 */
export function makePolicyEngine(
  bundle: Pick<PolicyBundle, 'version' | 'policies'>,
  directory: Directory,
  { cacheEntries = 20_000 }: PolicyEngineOptions = {},
): PolicyEngine {
  const { effective, ignored, reads } = selectPolicies(bundle.policies, directory);
  const cedar = prepareCedar(effective);
  if (cedar === undefined) throw unusable('its policies do not parse together');
  const cache =
    cacheEntries > 0 && isCacheable(reads)
      ? new LRUCache<string, Decision>({ max: cacheEntries })
      : undefined;
  const counts = { hits: 0, misses: 0 };
  const decided = ({ allowed, reasons, errors }: CedarAnswer): Decision => ({
    effect: allowed && errors.length === 0 ? 'permit' : 'forbid',
    bundleVersion: bundle.version,
    determiningPolicies: Object.freeze([...reasons]) as string[],
    errors: Object.freeze([...errors]) as string[],
  });
  const decide = (request: PolicyRequest): Decision => {
    const wrong = mismatch(request.principal, directory) ?? inexpressible(request);
    if (wrong !== undefined) return decided({ allowed: false, reasons: [], errors: [wrong] });
    if (cache === undefined) return decided(cedar(request));
    const key = cacheKey(request, reads);
    const known = cache.get(key);
    counts[known === undefined ? 'misses' : 'hits'] += 1;
    const decision = known ?? decided(cedar(request));
    if (known === undefined) cache.set(key, decision);
    return decision;
  };
  return { bundleVersion: bundle.version, ignoredPolicies: ignored, decide, stats: () => ({ ...counts }) };
}

/** The principal part of a policy request: what the directory says of it now. */
export function policyPrincipal(
  entry: Pick<DirectoryEntry, 'name' | 'kind' | 'roles' | 'attributes'>,
): PolicyRequest['principal'] {
  const { name, kind, roles } = entry;
  const attributes = policyAttributes(entry);
  return { name, kind, roles: [...roles], ...(attributes === undefined ? {} : { attributes }) };
}

/** @returns undefined where there is nothing to tell, as for most principals. */
function policyAttributes({
  attributes,
}: Pick<DirectoryEntry, 'attributes'>): PolicyRequest['principal']['attributes'] {
  const { team, environment, networks, labels } = attributes;
  const told = {
    ...(team === undefined ? {} : { team }),
    ...(environment === undefined ? {} : { environment }),
    ...(networks === undefined ? {} : { networks }),
    ...(labels === undefined
      ? {}
      : {
          labels: Object.entries(labels)
            .map(([key, value]) => `${key}=${value}`)
            .sort(),
        }),
  };
  return Object.keys(told).length === 0 ? undefined : told;
}

let builtIn: readonly PolicyJson[] | undefined;
const builtInJsons = (): readonly PolicyJson[] =>
  (builtIn ??= BUILT_IN_POLICIES.flatMap(({ cedar }) => parsePolicy(cedar) ?? []));

/** Which of a bundle's policies count, and what operators wrote. */
function selectPolicies(
  policies: readonly Policy[],
  directory: Pick<Directory, 'policies'>,
): {
  effective: readonly Policy[];
  ignored: readonly string[];
  reads: PolicyReads;
} {
  const known = new Map(BUILT_IN_POLICIES.map(({ id, cedar }) => [id, cedar]));
  const parsed = policies
    .filter(({ id, cedar }) => known.get(id) !== cedar)
    .map((policy) => {
      const json = parsePolicy(policy.cedar);
      if (json === undefined) throw unusable(`policy ${policy.id} does not parse`);
      return { policy, json };
    });
  // INVARIANT: a bundle can only take away; its permits are dropped here and its forbids cannot replace a built-in by id.
  const forbids = parsed.filter(({ json }) => json.effect === 'forbid');
  const added = forbids.map(({ policy: { id, cedar } }) => ({ id: `bundle.${id}`, cedar }));
  if (new Set(added.map(({ id }) => id)).size !== added.length) throw unusable('two policies have one id');
  const written = directory.policies.map(({ policyId, cedar }) => ({ id: `policy.${policyId}`, cedar }));
  const writtenJsons = written.map(({ id, cedar }) => {
    const json = parsePolicy(cedar);
    if (json === undefined) throw unusable(`${id} does not parse`);
    return json;
  });
  const jsons = [...builtInJsons(), ...writtenJsons, ...forbids.map(({ json }) => json)];
  return {
    effective: [...BUILT_IN_POLICIES, ...written, ...added],
    ignored: parsed.filter(({ json }) => json.effect !== 'forbid').map(({ policy }) => policy.id),
    reads: policyReadsOf(jsons),
  };
}

// INVARIANT: roles come from operators' statements. A caller that builds a request with other roles, or for a principal
// that is disabled or locked by now, gets a forbid whatever the policies say. Checked on each call, never cached.
function mismatch(principal: PolicyRequest['principal'], directory: Directory): string | undefined {
  const entry = directory.find(principal.name);
  if (entry === undefined) return 'principal: unknown';
  if (entry.status !== 'active') return `principal: ${entry.status}`;
  const sameRoles =
    entry.roles.length === principal.roles.length &&
    principal.roles.every((role) => entry.roles.includes(role));
  const same =
    sameRoles &&
    entry.kind === principal.kind &&
    sameAttributes(policyAttributes(entry), principal.attributes);
  return same ? undefined : 'principal: not as in the directory';
}

type Attributes = PolicyRequest['principal']['attributes'];

// Both made by policyAttributes, so the order of their keys is one.
const sameAttributes = (a: Attributes, b: Attributes): boolean =>
  a === b || JSON.stringify(a) === JSON.stringify(b);

// Before the cache, because the key leaves out attributes that no policy mentions, and Cedar refuses them all the same.
function inexpressible({ resource, context }: PolicyRequest): string | undefined {
  return hasFraction(resource.attributes) || hasFraction(context) ? NOT_EXPRESSIBLE : undefined;
}

function hasFraction(attributes: Readonly<Record<string, unknown>>): boolean {
  for (const name in attributes) {
    const value = attributes[name];
    if (typeof value === 'number' && !Number.isSafeInteger(value)) return true;
  }
  return false;
}

// The engine belongs to one bundle version, so the key need not hold it. JSON of an array is injective for JSON values, and null is
// no value of an attribute. Principals of one kind, the same roles and attributes that are read share decisions, and so do resources, unless
// a policy tells them apart.
const cacheKey = ({ principal, action, resource, context }: PolicyRequest, reads: PolicyReads): string =>
  JSON.stringify([
    ...[principal.kind, principal.roles],
    ...(reads.principal.whole
      ? [principal.name, principal.attributes]
      : [null, valuesOf(principal.attributes ?? NONE, reads.principal.attributes)]),
    ...[action, resource.kind],
    reads.resource.whole
      ? [resource.id, resource.attributes]
      : valuesOf(resource.attributes, reads.resource.attributes),
    valuesOf(context, reads.context.attributes),
  ]);

const NONE = {};
const valuesOf = (from: Readonly<Record<string, unknown>>, names: readonly string[]): unknown[] =>
  names.map((name) => (Object.hasOwn(from, name) ? from[name] : null));

const unusable = (because: string): KeymeshError => failure('POLICY_UNAVAILABLE', { details: { because } });
