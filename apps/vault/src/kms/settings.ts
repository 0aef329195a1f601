import { Secret } from '@keymesh/kernel';
import { integerVariable, secretFile, urlVariable } from '@keymesh/service-kit';
import { z } from 'zod';
import type { LocalKmsOptions } from './local.js';

/** What one KMS is configured with: its own variables of the environment, and what becomes of them. */
interface KmsSettings<Shape extends z.ZodRawShape, Config extends { readonly kind: string }> {
  readonly variables: Shape;
  /** @param required the value of a variable without which this KMS is nothing. */
  toConfig(
    variables: z.output<z.ZodObject<Shape>>,
    required: (name: Extract<keyof Shape, string>) => string,
  ): Config;
}

const settings = <Shape extends z.ZodRawShape, Config extends { readonly kind: string }>(
  one: KmsSettings<Shape, Config>,
): KmsSettings<Shape, Config> => one;

const text = (description: string) => z.string().optional().describe(description);

const local = settings({
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

const awsKms = settings({
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

const NAME_AND_VALUE = /^\w+=/;
const nameAndValue = (text: string): [string, string] => {
  const [name = '', ...value] = text.split('=');
  return [name, value.join('=')];
};

const pkcs11 = settings({
  variables: {
    KEYMESH_KMS_PKCS11_MODULE: text("pkcs11: path of the maker's library, e.g. libsofthsm2.so."),
    KEYMESH_KMS_PKCS11_TOKEN_LABEL: text('pkcs11: label of the token.'),
    KEYMESH_KMS_PKCS11_SLOT: integerVariable(0, Number.MAX_SAFE_INTEGER)
      .optional()
      .describe('pkcs11: slot number, where two tokens have the same label.'),
    KEYMESH_KMS_PKCS11_KEY_LABEL: text('pkcs11: label of the AES-256 key.'),
    KEYMESH_KMS_PKCS11_PIN_FILE: secretFile('kms-pkcs11-pin')
      .optional()
      .describe('pkcs11: file with the PIN.'),
    KEYMESH_KMS_PKCS11_ENVIRONMENT: z
      .string()
      .refine((list) => list.split(',').every((one) => NAME_AND_VALUE.test(one)), {
        error: 'must be NAME=value, with a comma between several',
      })
      .transform((list) => Object.fromEntries(list.split(',').map(nameAndValue)))
      .optional()
      .describe(
        "pkcs11: variables that the maker's library reads, e.g. SOFTHSM2_CONF=/etc/softhsm2.conf; it then sees these alone. Absent: all of the vault's.",
      ),
  },
  toConfig: (variables, required) => ({
    kind: 'pkcs11' as const,
    module: required('KEYMESH_KMS_PKCS11_MODULE'),
    tokenLabel: required('KEYMESH_KMS_PKCS11_TOKEN_LABEL'),
    slot: variables.KEYMESH_KMS_PKCS11_SLOT,
    keyLabel: required('KEYMESH_KMS_PKCS11_KEY_LABEL'),
    environment: variables.KEYMESH_KMS_PKCS11_ENVIRONMENT,
    pin:
      variables.KEYMESH_KMS_PKCS11_PIN_FILE ??
      Secret.fromText(required('KEYMESH_KMS_PKCS11_PIN_FILE'), 'kms-pkcs11-pin'),
  }),
});

const vaultTransit = settings({
  variables: {
    KEYMESH_KMS_VAULT_ADDRESS: urlVariable('http:', 'https:')
      .optional()
      .describe('vault-transit: address of OpenBao or HashiCorp Vault.'),
    KEYMESH_KMS_VAULT_KEY: text('vault-transit: name of the transit key (aes256-gcm96).'),
    KEYMESH_KMS_VAULT_MOUNT: z
      .string()
      .default('transit')
      .describe('vault-transit: where the transit engine is mounted.'),
    KEYMESH_KMS_VAULT_NAMESPACE: text('vault-transit: namespace header.'),
    KEYMESH_KMS_VAULT_AUTH: z
      .enum(['token', 'approle', 'kubernetes'])
      .default('token')
      .describe('vault-transit: how to log in.'),
    KEYMESH_KMS_VAULT_AUTH_MOUNT: text(
      'vault-transit: where the auth method is mounted, if not under its own name.',
    ),
    KEYMESH_KMS_VAULT_TOKEN_FILE: text(
      'vault-transit, token: file with the token, read again for each call.',
    ),
    KEYMESH_KMS_VAULT_ROLE: text('vault-transit, approle: the role id; kubernetes: the name of the role.'),
    KEYMESH_KMS_VAULT_SECRET_ID_FILE: text('vault-transit, approle: file with the secret id.'),
    KEYMESH_KMS_VAULT_JWT_FILE: z
      .string()
      .default('/var/run/secrets/kubernetes.io/serviceaccount/token')
      .describe("vault-transit, kubernetes: file with the service account's token."),
  },
  toConfig: (variables, required) => ({
    kind: 'vault-transit' as const,
    address: required('KEYMESH_KMS_VAULT_ADDRESS'),
    key: required('KEYMESH_KMS_VAULT_KEY'),
    mount: variables.KEYMESH_KMS_VAULT_MOUNT,
    namespace: variables.KEYMESH_KMS_VAULT_NAMESPACE,
    auth: toTransitAuth(variables, required),
  }),
});

/** How the vault proves to the transit server who it is. Files are read again for each login: agents renew them. */
export type TransitAuth =
  | { readonly method: 'token'; readonly tokenFile: string }
  | {
      readonly method: 'approle';
      readonly mount: string;
      readonly roleId: string;
      readonly secretIdFile: string;
    }
  | {
      readonly method: 'kubernetes';
      readonly mount: string;
      readonly role: string;
      readonly jwtFile: string;
    };

interface TransitAuthVariables {
  readonly KEYMESH_KMS_VAULT_AUTH: TransitAuth['method'];
  readonly KEYMESH_KMS_VAULT_AUTH_MOUNT?: string | undefined;
  readonly KEYMESH_KMS_VAULT_JWT_FILE: string;
}

function toTransitAuth(
  variables: TransitAuthVariables,
  required: (
    name: 'KEYMESH_KMS_VAULT_TOKEN_FILE' | 'KEYMESH_KMS_VAULT_ROLE' | 'KEYMESH_KMS_VAULT_SECRET_ID_FILE',
  ) => string,
): TransitAuth {
  const method = variables.KEYMESH_KMS_VAULT_AUTH;
  const mount = variables.KEYMESH_KMS_VAULT_AUTH_MOUNT ?? method;
  switch (method) {
    case 'token':
      return { method, tokenFile: required('KEYMESH_KMS_VAULT_TOKEN_FILE') };
    case 'approle': {
      const secretIdFile = required('KEYMESH_KMS_VAULT_SECRET_ID_FILE');
      return { method, mount, roleId: required('KEYMESH_KMS_VAULT_ROLE'), secretIdFile };
    }
    case 'kubernetes': {
      const jwtFile = variables.KEYMESH_KMS_VAULT_JWT_FILE;
      return { method, mount, role: required('KEYMESH_KMS_VAULT_ROLE'), jwtFile };
    }
  }
}

const azureKeyVault = settings({
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

const gcpKms = settings({
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

const recovery = settings({
  variables: {
    KEYMESH_KMS_RECOVERY_PUBLIC_KEY_FILE: text(
      'recovery: file that `keymesh recovery init` wrote, recovery.pub.',
    ),
    KEYMESH_KMS_RECOVERY_SHARE_FILES: text(
      'recovery: files of shares, mode 0600, with : between them; only then does recovery unwrap. Absent: it only wraps.',
    ),
  },
  toConfig: (variables, required) => ({
    kind: 'recovery' as const,
    publicKeyFile: required('KEYMESH_KMS_RECOVERY_PUBLIC_KEY_FILE'),
    shareFiles: (variables.KEYMESH_KMS_RECOVERY_SHARE_FILES ?? '').split(':').filter((path) => path !== ''),
  }),
});

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
