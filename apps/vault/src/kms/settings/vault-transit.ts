import { urlVariable } from '@keymesh/service-kit/task';
import { z } from 'zod';
import { settings, text } from './kms-settings.js';

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

/** The transit engine of OpenBao or HashiCorp Vault. */
export const vaultTransit = settings({
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
