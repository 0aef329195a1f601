import { z } from 'zod';
import { base } from './statement-base.js';

/** Longest text of a credential policy, in characters. */
export const MAX_CREDENTIAL_POLICY_CHARS = 8_192;

/** Whoever writes policies writes the credential policy, or takes it back. */
export const credentialPolicySet = z.strictObject({
  ...base,
  type: z.literal('credential-policy.set'),
  /** JSON text of the whole document; null: what the vault's own configuration says holds again. */
  document: z.string().min(2).max(MAX_CREDENTIAL_POLICY_CHARS).nullable(),
  /** The statement in force that the signer saw; null: none. What somebody else changed meanwhile is not undone unseen. */
  basedOn: z.uuid().nullable(),
});
