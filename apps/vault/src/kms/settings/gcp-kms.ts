import { z } from 'zod';
import { settings } from './kms-settings.js';

/** Google Cloud KMS. */
export const gcpKms = settings({
  variables: {
    KEYMESH_KMS_GCP_KEY: z
      .string()
      .refine(
        (name) => /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/.test(name),
        {
          error: 'must be projects/…/locations/…/keyRings/…/cryptoKeys/…, without a version',
        },
      )
      .optional()
      .describe('gcp-kms: resource name of the key, without a version.'),
  },
  toConfig: (_variables, required) => ({ kind: 'gcp-kms' as const, key: required('KEYMESH_KMS_GCP_KEY') }),
});
