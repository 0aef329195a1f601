import { isIPv4, isIPv6 } from 'node:net';
import { LRUCache } from 'lru-cache';
import type { PolicyRequest } from '@keymesh/contracts';
import { NOT_EXPRESSIBLE, prepareCedar, type CedarAnswer } from './cedar.js';
import { decisionKey } from './decision-key.js';
import { isCacheable, policyReadsOf, type PolicyReads } from './policy-reads.js';
import { isInScope } from './policy-scope.js';
import type { ParsedPolicy } from './policy-set.js';

/** What policies say of a request. A forbid is data, not an error. */
export interface Verdict {
  readonly effect: 'permit' | 'forbid';
  /** Ids of the policies that decided; empty for the default deny. Frozen: it goes into audit records as it is. */
  readonly determiningPolicies: string[];
  /** Any of these makes it a forbid. Frozen. */
  readonly errors: string[];
}

/** Policies as a function, without anybody's directory. Synchronous, no I/O. */
export interface Decider {
  /** Default deny; forbid wins; a policy that errors denies. */
  decide(request: PolicyRequest): Verdict;
  /** Decisions from memory and those that were kept; what may not be kept is in neither. */
  stats(): { readonly hits: number; readonly misses: number };
}

/** The policies that can have a say on one action and one kind of resource, prepared when they are first asked. */
interface Slice {
  readonly ask: (request: PolicyRequest) => CedarAnswer;
  readonly reads: PolicyReads;
  readonly isCacheable: boolean;
}

/**
 * @param cacheEntries decisions kept; 0: none.
 * @param mayKeep whether decisions of policies that read this are kept; by default not what is hardly ever asked again.
 */
export function makeDecider(
  policies: readonly ParsedPolicy[],
  cacheEntries: number,
  mayKeep: (reads: PolicyReads) => boolean = isCacheable,
): Decider {
  const cache = cacheEntries > 0 ? new LRUCache<string, Verdict>({ max: cacheEntries }) : undefined;
  const counts = { hits: 0, misses: 0 };
  const slices = new Map<string, Slice>();
  const sliceOf = ({ action, resource }: PolicyRequest): Slice => {
    const name = `${action} ${resource.kind}`;
    const slice =
      slices.get(name) ??
      makeSlice(
        policies.filter((policy) => isInScope(policy.json, action, resource.kind)),
        mayKeep,
      );
    slices.set(name, slice);
    return slice;
  };
  return {
    decide(request) {
      // Before the cache, because the key leaves out attributes that no policy mentions, and Cedar refuses them all the same.
      if (isInexpressible(request)) return forbidden(NOT_EXPRESSIBLE);
      const slice = sliceOf(request);
      if (cache === undefined || !slice.isCacheable) return verdictOf(slice.ask(request));
      const key = decisionKey(request, slice.reads);
      const known = cache.get(key);
      counts[known === undefined ? 'misses' : 'hits'] += 1;
      if (known !== undefined) return known;
      const verdict = verdictOf(slice.ask(request));
      cache.set(key, verdict);
      return verdict;
    },
    stats: () => ({ ...counts }),
  };
}

function makeSlice(policies: readonly ParsedPolicy[], mayKeep: (reads: PolicyReads) => boolean): Slice {
  const reads = policyReadsOf(policies.map(({ json }) => json));
  return { ask: prepareCedar(policies), reads, isCacheable: mayKeep(reads) };
}

const verdictOf = ({ allowed, reasons, errors }: CedarAnswer): Verdict => ({
  effect: allowed && errors.length === 0 ? 'permit' : 'forbid',
  determiningPolicies: Object.freeze([...reasons]) as string[],
  errors: Object.freeze([...errors]) as string[],
});

/** A forbid for a reason of its own. */
export const forbidden = (because: string): Verdict =>
  verdictOf({ allowed: false, reasons: [], errors: [because] });

const isInexpressible = ({ resource, context }: PolicyRequest): boolean =>
  hasFraction(resource.attributes) || hasFraction(context) || !isNetwork(context.network);

/** What Cedar takes for an address or a block of them. SOURCE: Cedar's grammar of ip(): no zone, no IPv4 inside IPv6, no leading zero. */
function isNetwork(network: unknown): boolean {
  if (typeof network !== 'string') return true; // no network is told, or none that is made one
  const [, address = '', bits] = /^([0-9a-fA-F.:]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(network) ?? [];
  const isBlock = (max: number): boolean => bits === undefined || Number(bits) <= max;
  return isIPv4(address) ? isBlock(32) : isIPv6(address) && !address.includes('.') && isBlock(128);
}

function hasFraction(attributes: Readonly<Record<string, unknown>>): boolean {
  for (const name in attributes) {
    const value = attributes[name];
    if (typeof value === 'number' && !Number.isSafeInteger(value)) return true;
  }
  return false;
}
