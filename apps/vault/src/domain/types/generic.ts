import { makeRandomValue } from '@keymesh/crypto';
import { MAX_VALUE_BYTES } from '@keymesh/contracts';
import type { CredentialTypePlugin } from './plugin.js';

/** Any bytes: a certificate, a token, a file. Nothing is asked of them but that there are some. */
export const generic: CredentialTypePlugin = {
  type: 'generic',
  parts: [{ name: 'value', maxBytes: MAX_VALUE_BYTES }],
  primaryPart: 'value',
  strength: { length: 'off', classes: 'off', entropy: 'off' },
  ages: false,
  generate: makeRandomValue,
};
