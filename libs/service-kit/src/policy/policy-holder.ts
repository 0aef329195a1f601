import { failure } from '@keymesh/contracts';
import type { Directory, PolicyEngine, ShadowSet } from '@keymesh/policy-engine';

/** The bundle that decides now. */
export interface CurrentPolicy {
  readonly version: number;
  readonly engine: PolicyEngine;
  readonly directory: Directory;
  /** Policies that decide nothing, to be evaluated beside; undefined: none. */
  readonly shadow?: ShadowSet | undefined;
}

/**
 * Where decisions come from. In every service but policy it is filled by `openFlooredPolicy`; the policy service, which makes the
 * bundles, fills its own ({@link makePolicyHolder} and `accept`).
 */
export interface PolicyHolder {
  /** @throws POLICY_UNAVAILABLE until the first bundle is there: without a bundle everything is denied. */
  currentPolicy(): CurrentPolicy;
  /** As above, for those who can do without. */
  findPolicy(): CurrentPolicy | undefined;
  /** A newer bundle is on its way: resolves when it is here, or after a second. Undefined: none is known of. */
  readonly settling?: () => Promise<void> | undefined;
  /** Called after each accepted bundle (and at once when there is one). @returns how to stop. */
  onChange(listener: (policy: CurrentPolicy) => void): () => void;
}

export interface WritablePolicyHolder extends PolicyHolder {
  /** @returns false, changing nothing, for a version that is not higher than the current one. */
  accept(policy: CurrentPolicy): boolean;
}

/** Makes a holder that is empty at first and never goes back to a lower version. */
export function makePolicyHolder(): WritablePolicyHolder {
  let current: CurrentPolicy | undefined;
  const listeners = new Set<(policy: CurrentPolicy) => void>();
  return {
    currentPolicy() {
      if (current === undefined) throw failure('POLICY_UNAVAILABLE');
      return current;
    },
    findPolicy: () => current,
    onChange(listener) {
      listeners.add(listener);
      if (current !== undefined) listener(current);
      return () => listeners.delete(listener);
    },
    accept(policy) {
      // INVARIANT: the version never falls, so what was taken away by bundle N stays away after bundle N-1 is shown again.
      if (current !== undefined && policy.version <= current.version) return false;
      current = policy;
      for (const listener of listeners) listener(policy);
      return true;
    },
  };
}
