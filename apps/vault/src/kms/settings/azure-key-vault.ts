import { urlVariable } from '@keymesh/service-kit/task';
import { z } from 'zod';
import { settings } from './kms-settings.js';

/** Azure Key Vault, or a Managed HSM. */
export const azureKeyVault = settings({
  variables: {
    KEYMESH_KMS_AZURE_KEY_ID: urlVariable('https:')
      .refine((url) => /^\/keys\/[A-Za-z0-9-]+$/.test(URL.parse(url)?.pathname ?? ''), {
        error: 'must be https://<vault>/keys/<name>, without a version',
      })
      .optional()
      .describe('azure-key-vault: identifier of the key, without a version.'),
    KEYMESH_KMS_AZURE_ALGORITHM: z
      .enum(['RSA-OAEP-256', 'A256KW'])
      .default('RSA-OAEP-256')
      .describe('azure-key-vault: RSA-OAEP-256 for an RSA key, A256KW for an AES key of a Managed HSM.'),
  },
  toConfig: (variables, required) => ({
    kind: 'azure-key-vault' as const,
    keyId: required('KEYMESH_KMS_AZURE_KEY_ID'),
    algorithm: variables.KEYMESH_KMS_AZURE_ALGORITHM,
  }),
});
