import { CREDENTIAL_TYPES, failure, type CredentialType, type TypeDescription } from '@keymesh/contracts';
import { apiKey } from './api-key.js';
import { awsAccessKey } from './aws-access-key.js';
import { azureClientSecret } from './azure-client-secret.js';
import { database } from './database.js';
import { gcpServiceAccount } from './gcp-service-account.js';
import { generic } from './generic.js';
import { jwtSigningKey } from './jwt-signing-key.js';
import { oauthClient } from './oauth-client.js';
import { oauthToken } from './oauth-token.js';
import type { CredentialTypePlugin } from './plugin.js';
import { sshKey } from './ssh-key.js';
import { tlsCertificate } from './tls-certificate.js';
import { usernamePassword } from './username-password.js';
import { webhookSecret } from './webhook-secret.js';

/** Every credential type. A new one is a file beside these and a line here (docs/guides/add-a-credential-type.md). */
export const credentialTypes: Readonly<Record<CredentialType, CredentialTypePlugin>> = {
  api_key: apiKey,
  username_password: usernamePassword,
  oauth_client: oauthClient,
  oauth_token: oauthToken,
  database,
  aws_access_key: awsAccessKey,
  gcp_service_account: gcpServiceAccount,
  azure_client_secret: azureClientSecret,
  tls_certificate: tlsCertificate,
  ssh_key: sshKey,
  jwt_signing_key: jwtSigningKey,
  webhook_secret: webhookSecret,
  generic,
};

/** @throws CREDENTIAL_TYPE_UNKNOWN naming the types that there are. */
export function credentialTypeOf(type: string): CredentialTypePlugin {
  const known = CREDENTIAL_TYPES.find((candidate) => candidate === type);
  if (known !== undefined) return credentialTypes[known];
  throw failure('CREDENTIAL_TYPE_UNKNOWN', {
    publicMessage: `There is no such credential type. Use one of ${CREDENTIAL_TYPES.join(', ')}.`,
  });
}

/** What is told of a type. */
export const describePlugin = (plugin: CredentialTypePlugin): TypeDescription => ({
  type: plugin.type as CredentialType,
  summary: plugin.summary,
  parts: plugin.parts.map(({ name, summary, secret, required, maxBytes, format }) => ({
    ...{ name, summary, secret, required, maxBytes, format },
  })),
  primaryPart: plugin.primaryPart,
  generates: [...(plugin.generates ?? [])],
  rotationAdapters: [...plugin.rotationAdapters],
  readsExpiry: plugin.readsExpiry ?? false,
  compressed: plugin.compress,
});
