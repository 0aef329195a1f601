import { secretFile } from '@keymesh/service-kit/task';
import { z } from 'zod';
import type { LocalKmsOptions } from '../local.js';
import { settings, text } from './kms-settings.js';

/** A key in a file of this machine. */
export const local = settings({
  variables: {
    KEYMESH_KMS_MASTER_KEY_FILE: text('local: file of 32 random bytes, mode 0600.'),
    KEYMESH_KMS_PASSPHRASE_FILE: secretFile('kms-passphrase')
      .optional()
      .describe('local: file with a passphrase without which the master key opens nothing.'),
    KEYMESH_KMS_LOCAL_KDF: z
      .enum(['pbkdf2', 'argon2id'])
      .default('pbkdf2')
      .describe('local: how the root key is derived for what is wrapped from now on; both open.'),
  },
  toConfig: (variables, required): LocalKmsOptions & { readonly kind: 'local' } => ({
    kind: 'local',
    masterKeyFile: required('KEYMESH_KMS_MASTER_KEY_FILE'),
    passphrase: variables.KEYMESH_KMS_PASSPHRASE_FILE,
    kdf: variables.KEYMESH_KMS_LOCAL_KDF,
  }),
});
