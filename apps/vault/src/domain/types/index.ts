import { CREDENTIAL_TYPES, failure, type CredentialType } from '@keymesh/contracts';
import { apiKey } from './api-key.js';
import { generic } from './generic.js';
import type { CredentialTypePlugin } from './plugin.js';
import { usernamePassword } from './username-password.js';

/** Every credential type. A new one is a file beside these and a line here. */
export const credentialTypes: Readonly<Record<CredentialType, CredentialTypePlugin>> = {
  api_key: apiKey,
  username_password: usernamePassword,
  generic,
};

/** @throws CREDENTIAL_TYPE_UNKNOWN */
export function credentialTypeOf(type: string): CredentialTypePlugin {
  const known = CREDENTIAL_TYPES.find((candidate) => candidate === type);
  if (known === undefined) throw failure('CREDENTIAL_TYPE_UNKNOWN');
  return credentialTypes[known];
}
