import type { CredentialPolicyLayer } from '../quality/credential-policy.js';

/**
 * For texts that a provider issues. We do not choose their letters, so only length and known leaks are conditions; the rest warns. How
 * long one lives is for whoever issues it to say.
 */
export const ISSUED_POLICY: CredentialPolicyLayer = {
  maxAgeDays: null,
  rules: { special: 'warn', number: 'warn', upper: 'warn', lower: 'warn', 'low-entropy': 'warn' },
};
