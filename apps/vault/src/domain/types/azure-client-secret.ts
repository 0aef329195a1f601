import { fromUtf8 } from '@keymesh/kernel';
import { ISSUED_POLICY } from './issued-policy.js';
import type { CredentialTypePlugin, PartSchema } from './plugin.js';

const id = (name: string, summary: string, required: boolean): PartSchema => ({
  ...{ name, summary, required },
  secret: false,
  maxBytes: 64,
  format: 'uuid',
});

export const azureClientSecret: CredentialTypePlugin = {
  type: 'azure_client_secret',
  summary: 'A client secret of an application in Microsoft Entra ID.',
  parts: [
    id('tenant_id', 'the directory (tenant) id', true),
    id('client_id', 'the application (client) id', true),
    {
      name: 'client_secret',
      summary: "the secret's value (not its id)",
      secret: true,
      required: true,
      maxBytes: 256,
      format: 'text',
      strength: 'issued',
    },
    id('secret_id', "the secret's id, to tell it from others", false),
    {
      name: 'expires_at',
      summary: 'when the secret ends, as the portal says',
      secret: false,
      required: false,
      maxBytes: 64,
      format: 'timestamp',
    },
  ],
  primaryPart: 'client_secret',
  policy: ISSUED_POLICY,
  inspect: ({ expires_at: stated }) =>
    // EXPOSE: a time, and no secret by the type's own word.
    stated === undefined ? {} : { expiresAtMs: Date.parse(fromUtf8(stated.expose())) },
  readsExpiry: true,
  compress: false,
  rotationAdapters: [],
};
