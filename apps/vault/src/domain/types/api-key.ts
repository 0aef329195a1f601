import { makeRandomValue } from '@keymesh/crypto';
import { MAX_VALUE_BYTES } from '@keymesh/contracts';
import { ISSUED_POLICY } from './issued-policy.js';
import type { CredentialTypePlugin } from './plugin.js';

export const apiKey: CredentialTypePlugin = {
  type: 'api_key',
  summary: 'A key that a provider issued, or that Keymesh made for a service of your own.',
  parts: [
    {
      name: 'value',
      summary: 'the key',
      secret: true,
      required: true,
      maxBytes: MAX_VALUE_BYTES,
      format: 'text',
      strength: 'issued',
    },
  ],
  primaryPart: 'value',
  policy: ISSUED_POLICY,
  generates: ['value'],
  generate: ({ lengthChars }) => ({ value: makeRandomValue(lengthChars) }),
  compress: false,
  rotationAdapters: ['generated'],
};
