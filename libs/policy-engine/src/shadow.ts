import { createHash } from 'node:crypto';
import type { PolicyBundle, ShadowPolicies } from '@keymesh/contracts';
import { BUILT_IN_POLICIES, type Policy } from './built-in-policies.js';
import type { Directory } from './directory.js';
import { writtenPolicies } from './policy-set.js';
import { canonicalBytes } from './statements.js';

/** Policies that are evaluated beside those that decide. */
export interface ShadowSet {
  readonly shadowId: string;
  /** Built-in ones, and `policy.<id>` that are in the shadow. */
  readonly policies: readonly Policy[];
}

/** What a `policy.shadow-set` signs of its policies. Hex. */
export const shadowDigestOf = (policies: ShadowPolicies): string =>
  createHash('sha256')
    .update(
      canonicalBytes(
        policies
          .map(({ policyId, cedar }) => ({ policyId, cedar }))
          .sort((a, b) => (a.policyId < b.policyId ? -1 : 1)),
      ),
    )
    .digest('hex');

/** The shadow that a bundle carries; undefined where there is none, or its texts are not those that were signed. */
export function shadowSetOf(
  { shadow }: Pick<PolicyBundle, 'shadow'>,
  directory: Pick<Directory, 'shadow'>,
): ShadowSet | undefined {
  const granted = directory.shadow;
  if (granted === undefined || shadow === undefined || shadowDigestOf(shadow) !== granted.digest)
    return undefined;
  return {
    shadowId: granted.shadowId,
    policies: [...BUILT_IN_POLICIES, ...writtenPolicies(shadow)],
  };
}
