/**
 * Every credential type, with the part that a person means by "the value". Everything else about a type is in its plug-in in the vault.
 * Names are never taken away: rows of them are kept.
 */
export const PRIMARY_PARTS = {
  api_key: 'value',
  username_password: 'password',
  oauth_client: 'client_secret',
  oauth_token: 'access_token',
  database: 'password',
  aws_access_key: 'secret_access_key',
  gcp_service_account: 'key',
  azure_client_secret: 'client_secret',
  tls_certificate: 'private_key',
  ssh_key: 'private_key',
  jwt_signing_key: 'private_key',
  webhook_secret: 'value',
  generic: 'value',
} as const;

export type CredentialType = keyof typeof PRIMARY_PARTS;
export const CREDENTIAL_TYPES = Object.keys(PRIMARY_PARTS) as [CredentialType, ...CredentialType[]];

/** What the bytes of a part are. */
export const PART_FORMATS = [
  'bytes',
  'text',
  'pem',
  'json',
  'url',
  'host',
  'port',
  'uuid',
  'timestamp',
] as const;
export type PartFormat = (typeof PART_FORMATS)[number];

/** Key algorithms that a `jwt_signing_key` is generated for (RFC 7518 section 3.1, RFC 8037). */
export const JWT_ALGORITHMS = ['ES256', 'EdDSA', 'RS256'] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];
