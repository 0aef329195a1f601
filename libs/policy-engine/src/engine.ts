import type { PolicyBundle, PolicyRequest } from '@keymesh/contracts';
import type { Policy } from './built-in-policies.js';
import { forbidden, makeDecider, type Verdict } from './decider.js';
import type { Directory } from './directory.js';
import { mismatch } from './policy-principal.js';
import { policySetOf } from './policy-set.js';

/** The answer to a policy request, and by which bundle. */
export interface Decision extends Verdict {
  readonly bundleVersion: number;
}

export interface PolicyEngine {
  readonly bundleVersion: number;
  /** Every policy that decides: built-in ones, `policy.<id>` that operators wrote, `bundle.<id>` that only forbid. */
  readonly policies: readonly Policy[];
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
  { version: bundleVersion, policies }: Pick<PolicyBundle, 'version' | 'policies'>,
  directory: Directory,
  { cacheEntries = 20_000 }: PolicyEngineOptions = {},
): PolicyEngine {
  const { effective, ignored } = policySetOf(policies, directory);
  const decider = makeDecider(effective, cacheEntries);
  return {
    bundleVersion,
    policies: effective.map(({ id, cedar }) => ({ id, cedar })),
    ignoredPolicies: ignored,
    decide(request) {
      const wrong = mismatch(request.principal, directory) ?? killed(request, directory);
      return { ...(wrong === undefined ? decider.decide(request) : forbidden(wrong)), bundleVersion };
    },
    stats: () => decider.stats(),
  };
}

// Before the cache too: a kill switch is the directory's word, as a principal's status is.
function killed(request: PolicyRequest, directory: Directory): string | undefined {
  const kill = directory.killForbidding(request);
  return kill === undefined ? undefined : `kill-switch: ${kill.killId}`;
}
