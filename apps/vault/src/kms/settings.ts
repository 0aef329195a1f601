import { z } from 'zod';
import { awsKms } from './settings/aws-kms.js';
import { azureKeyVault } from './settings/azure-key-vault.js';
import { gcpKms } from './settings/gcp-kms.js';
import { local } from './settings/local.js';
import { pkcs11 } from './settings/pkcs11.js';
import { recovery } from './settings/recovery.js';
import { vaultTransit } from './settings/vault-transit.js';

/** Every KMS by its name in KEYMESH_KMS. */
export const KMS_SETTINGS = {
  local,
  'aws-kms': awsKms,
  pkcs11,
  'vault-transit': vaultTransit,
  'azure-key-vault': azureKeyVault,
  'gcp-kms': gcpKms,
} as const;

/** What may be a member of `any-of` and `all-of`. Recovery alone would be a vault that opens nothing. */
export const MEMBER_SETTINGS = { ...KMS_SETTINGS, recovery } as const;

export type KmsName = keyof typeof KMS_SETTINGS;
export type MemberName = keyof typeof MEMBER_SETTINGS;

/** What one KMS needs to be opened. */
export type KmsConfigOf<Name extends MemberName> = ReturnType<(typeof MEMBER_SETTINGS)[Name]['toConfig']>;

/** The variables of all KMS. */
export const kmsProviderVariables = {
  ...local.variables,
  ...awsKms.variables,
  ...pkcs11.variables,
  ...vaultTransit.variables,
  ...azureKeyVault.variables,
  ...gcpKms.variables,
  ...recovery.variables,
} satisfies z.ZodRawShape;
