import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { LRUCache } from 'lru-cache';
import { failure, type PolicyBundle } from '@keymesh/contracts';
import type { KeymeshError } from '@keymesh/kernel';
import { BUILT_IN_POLICIES, type Policy } from './built-in-policies.js';
import type { Directory } from './directory.js';
import { parsePolicy } from './policy-reads.js';

/** A policy and what Cedar makes of its text. */
export interface ParsedPolicy extends Policy {
  readonly json: PolicyJson;
}

/** The policies that decide. */
export interface PolicySet {
  /** Built-in ones, `policy.<id>` that operators wrote, `bundle.<id>` that only forbid. */
  readonly effective: readonly ParsedPolicy[];
  /** Permits of the bundle that are not built in: they have no effect. Ids. */
  readonly ignored: readonly string[];
}

/** Texts are parsed once, however many bundles bring them: a bundle comes with every change of anything. */
const parsed = new LRUCache<string, PolicyJson>({ max: 4_000 });

/**
 * Parses policies.
 * @throws POLICY_UNAVAILABLE naming the one that does not parse: what it would forbid cannot be known.
 */
export const parsePolicies = (policies: readonly Policy[]): readonly ParsedPolicy[] =>
  policies.map(({ id, cedar }) => {
    const json = parsed.get(cedar) ?? parsePolicy(cedar);
    if (json === undefined) throw unusable(`policy ${id} does not parse`);
    parsed.set(cedar, json);
    return { id, cedar, json };
  });

/**
 * Which of a bundle's policies count, and what operators wrote.
 * @throws POLICY_UNAVAILABLE when one of them does not parse, or two have one id.
 */
export function policySetOf(
  policies: PolicyBundle['policies'],
  directory: Pick<Directory, 'policies'>,
): PolicySet {
  const known = new Map(BUILT_IN_POLICIES.map(({ id, cedar }) => [id, cedar]));
  const brought = parsePolicies(policies.filter(({ id, cedar }) => known.get(id) !== cedar));
  // INVARIANT: a bundle can only take away; its permits are dropped here and its forbids cannot replace a built-in by id.
  const forbids = brought
    .filter(({ json }) => json.effect === 'forbid')
    .map((policy) => ({ ...policy, id: `bundle.${policy.id}` }));
  if (new Set(forbids.map(({ id }) => id)).size !== forbids.length)
    throw unusable('two policies have one id');
  return {
    effective: [
      ...parsePolicies(BUILT_IN_POLICIES),
      ...parsePolicies(writtenPolicies(directory.policies)),
      ...forbids,
    ],
    ignored: brought.filter(({ json }) => json.effect !== 'forbid').map(({ id }) => id),
  };
}

/** Policies that operators wrote, as decisions name them. */
export const writtenPolicies = (
  policies: readonly { readonly policyId: string; readonly cedar: string }[],
): readonly Policy[] => policies.map(({ policyId, cedar }) => ({ id: `policy.${policyId}`, cedar }));

const unusable = (because: string): KeymeshError => failure('POLICY_UNAVAILABLE', { details: { because } });
