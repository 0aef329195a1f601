import { makeRandomValue } from '@keymesh/crypto';
import { MAX_VALUE_BYTES } from '@keymesh/contracts';
import type { CredentialTypePlugin } from './plugin.js';

/** A key issued by a provider. We do not choose its letters, so only its length is a condition; the rest warns. */
export const apiKey: CredentialTypePlugin = {
  type: 'api_key',
  parts: [{ name: 'value', maxBytes: MAX_VALUE_BYTES }],
  primaryPart: 'value',
  strength: { length: 'enforce', classes: 'warn', entropy: 'warn' },
  ages: false,
  generate: makeRandomValue,
};
