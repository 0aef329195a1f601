import { makeRandomValue } from '@keymesh/crypto';
import type { CredentialTypePlugin } from './plugin.js';

/** A login whose password we may choose: the credential policy is enforced in full, and a version ages. */
export const usernamePassword: CredentialTypePlugin = {
  type: 'username_password',
  parts: [
    { name: 'username', maxBytes: 256 },
    { name: 'password', maxBytes: 4_096 },
  ],
  primaryPart: 'password',
  strength: { length: 'enforce', classes: 'enforce', entropy: 'enforce' },
  ages: true,
  generate: makeRandomValue,
};
