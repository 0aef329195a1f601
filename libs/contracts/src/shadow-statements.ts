import { z } from 'zod';
import { MAX_POLICY_CHARS, policyId } from './policy-statements.js';
import { base } from './statement-base.js';

/** Policies that decide nothing: what operators might write instead of what is in force, to see what it would change. */
export const shadowPolicies = z
  .array(z.strictObject({ policyId, cedar: z.string().min(1).max(MAX_POLICY_CHARS) }))
  .max(1_000);
export type ShadowPolicies = z.output<typeof shadowPolicies>;

/**
 * A policy writer puts policies into the shadow, or (null) ends it. The texts are in the bundle only as long as they are in the shadow;
 * statements stay for ever, so this one holds their digest.
 */
export const policyShadowSet = z.strictObject({
  ...base,
  type: z.literal('policy.shadow-set'),
  /** SHA-256 (hex) of RFC 8785 JSON of the policies, by policyId. */
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
});
