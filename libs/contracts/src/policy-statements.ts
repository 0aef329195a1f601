import { z } from 'zod';
import { base } from './statement-base.js';

export const policyId = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9.-]{0,62}$/,
    'a policy id is up to 63 of a-z 0-9 . -, beginning with a letter or digit',
  );

/** Longest text of one policy, in characters. */
export const MAX_POLICY_CHARS = 8_192;

/** A security administrator writes a policy, changes it, or removes it. */
export const policySet = z.strictObject({
  ...base,
  type: z.literal('policy.set'),
  policyId,
  /** One static policy in Cedar's language; null removes it. */
  cedar: z.string().min(1).max(MAX_POLICY_CHARS).nullable(),
  /** Every later change of it needs a second person's `policy.confirmed`. */
  twoPerson: z.boolean(),
  /** The statement in force that the signer saw; null: none. What somebody else changed meanwhile is not undone unseen. */
  basedOn: z.uuid().nullable(),
});

/** A second person agrees to a change that waits for it. */
export const policyConfirmed = z.strictObject({
  ...base,
  type: z.literal('policy.confirmed'),
  policyId,
  /** Statement id of the `policy.set`. */
  change: z.uuid(),
});
