import { urlVariable } from '@keymesh/service-kit/task';
import { settings, text } from './kms-settings.js';

/** AWS KMS. */
export const awsKms = settings({
  variables: {
    KEYMESH_KMS_AWS_KEY_ID: text('aws-kms: key id, ARN or alias.'),
    KEYMESH_KMS_AWS_REGION: text('aws-kms: region of the key.'),
    KEYMESH_KMS_AWS_ENDPOINT: urlVariable('http:', 'https:')
      .optional()
      .describe('aws-kms: another address than AWS, e.g. a VPC endpoint or an emulator.'),
  },
  toConfig: (variables, required) => ({
    kind: 'aws-kms' as const,
    keyId: required('KEYMESH_KMS_AWS_KEY_ID'),
    region: required('KEYMESH_KMS_AWS_REGION'),
    endpoint: variables.KEYMESH_KMS_AWS_ENDPOINT,
  }),
});
