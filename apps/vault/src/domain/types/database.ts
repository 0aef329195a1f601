import { makeRandomValue } from '@keymesh/crypto';
import type { CredentialTypePlugin, PartSchema } from './plugin.js';

const optional = (
  name: string,
  summary: string,
  format: PartSchema['format'],
  maxBytes: number,
): PartSchema => ({
  ...{ name, summary, format, maxBytes },
  secret: false,
  required: false,
});

/** A login of a database, with where it is good for. */
export const database: CredentialTypePlugin = {
  type: 'database',
  summary: 'A login of a database, with where it is good for.',
  parts: [
    {
      name: 'username',
      summary: 'the role or user',
      secret: false,
      required: true,
      maxBytes: 256,
      format: 'text',
    },
    {
      name: 'password',
      summary: 'its password',
      secret: true,
      required: true,
      maxBytes: 4_096,
      format: 'text',
      strength: 'chosen',
    },
    optional('engine', 'postgres, mysql, …', 'text', 64),
    optional('host', 'host name or address', 'host', 253),
    optional('port', 'TCP port', 'port', 5),
    optional('database', 'name of the database', 'text', 256),
    optional('tls_ca', 'certificates that its server is checked with', 'pem', 32_768),
  ],
  primaryPart: 'password',
  generates: ['password'],
  generate: ({ lengthChars }) => ({ password: makeRandomValue(lengthChars) }),
  compress: false,
  rotationAdapters: ['generated', 'postgres-role'],
};
