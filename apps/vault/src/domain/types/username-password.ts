import { makeRandomValue } from '@keymesh/crypto';
import type { CredentialTypePlugin } from './plugin.js';

/** A login whose password we may choose: the credential policy is enforced in full, and a version ages. */
export const usernamePassword: CredentialTypePlugin = {
  type: 'username_password',
  summary: 'A login whose password people or Keymesh choose.',
  parts: [
    {
      name: 'username',
      summary: 'the user name',
      secret: false,
      required: true,
      maxBytes: 256,
      format: 'text',
    },
    {
      name: 'password',
      summary: 'the password',
      secret: true,
      required: true,
      maxBytes: 4_096,
      format: 'text',
      strength: 'chosen',
    },
  ],
  primaryPart: 'password',
  generates: ['password'],
  generate: ({ lengthChars }) => ({ password: makeRandomValue(lengthChars) }),
  compress: false,
  rotationAdapters: ['generated', 'postgres-role'],
};
