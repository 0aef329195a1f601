import { ISSUED_POLICY } from './issued-policy.js';
import type { CredentialTypePlugin } from './plugin.js';

/** RFC 6749 section 2.3.1. */
export const oauthClient: CredentialTypePlugin = {
  type: 'oauth_client',
  summary: 'An OAuth client: the id and secret with which an application asks for tokens.',
  parts: [
    {
      name: 'client_id',
      summary: 'the client id',
      secret: false,
      required: true,
      maxBytes: 1_024,
      format: 'text',
    },
    {
      name: 'client_secret',
      summary: 'the client secret',
      secret: true,
      required: true,
      maxBytes: 4_096,
      format: 'text',
      strength: 'issued',
    },
    {
      name: 'token_url',
      summary: 'where tokens are asked for',
      secret: false,
      required: false,
      maxBytes: 1_024,
      format: 'url',
    },
    {
      name: 'scopes',
      summary: 'scopes, with spaces between',
      secret: false,
      required: false,
      maxBytes: 1_024,
      format: 'text',
    },
  ],
  primaryPart: 'client_secret',
  policy: ISSUED_POLICY,
  compress: false,
  rotationAdapters: [],
};
