import { makeRandomValue } from '@keymesh/crypto';
import { ISSUED_POLICY } from './issued-policy.js';
import type { CredentialTypePlugin } from './plugin.js';

/** The key of an HMAC over web hooks: whoever receives them checks with it that they are genuine. */
export const webhookSecret: CredentialTypePlugin = {
  type: 'webhook_secret',
  summary: 'The key with which web hooks are signed and checked.',
  parts: [
    {
      name: 'value',
      summary: 'the signing secret',
      secret: true,
      required: true,
      maxBytes: 1_024,
      format: 'text',
      strength: 'issued',
    },
  ],
  primaryPart: 'value',
  // RFC 2104 section 3: shorter than 16 bytes is discouraged for any HMAC.
  policy: { ...ISSUED_POLICY, minLengthChars: 16 },
  generates: ['value'],
  generate: ({ lengthChars }) => ({ value: makeRandomValue(lengthChars) }),
  compress: false,
  rotationAdapters: ['generated'],
};
