import type { Values } from '../parts.js';
import { invalidPart } from './check-values.js';
import { ISSUED_POLICY } from './issued-policy.js';
import type { CredentialTypePlugin } from './plugin.js';

const ACCESS_KEY_ID = /^(?:AKIA|ASIA)[A-Z0-9]{16}$/;
const TEMPORARY = 'ASIA';

/** A long-lived key of an IAM user (AKIA…), or a temporary one with its session token (ASIA…). */
export const awsAccessKey: CredentialTypePlugin = {
  type: 'aws_access_key',
  summary: 'An access key of AWS: of an IAM user, or a temporary one with its session token.',
  parts: [
    {
      name: 'access_key_id',
      summary: 'the access key id, AKIA… or ASIA…',
      secret: false,
      required: true,
      maxBytes: 128,
      format: 'text',
      check: (bytes) =>
        ACCESS_KEY_ID.test(Buffer.from(bytes).toString('latin1'))
          ? undefined
          : 'AKIA or ASIA and 16 capital letters or digits',
    },
    {
      name: 'secret_access_key',
      summary: 'the secret access key',
      secret: true,
      required: true,
      maxBytes: 128,
      format: 'text',
      check: (bytes) => (bytes.length === 40 ? undefined : '40 characters long'),
      strength: 'issued',
    },
    {
      name: 'session_token',
      summary: 'the session token of a temporary key',
      secret: true,
      required: false,
      maxBytes: 8_192,
      format: 'text',
    },
    {
      name: 'region',
      summary: 'the region, e.g. eu-central-1',
      secret: false,
      required: false,
      maxBytes: 64,
      format: 'text',
    },
  ],
  primaryPart: 'secret_access_key',
  policy: ISSUED_POLICY,
  inspect(values) {
    const isTemporary = keyIdOf(values).startsWith(TEMPORARY);
    if (isTemporary && values.session_token === undefined)
      throw invalidPart('session_token', 'is needed with a temporary key (ASIA…)');
    if (!isTemporary && values.session_token !== undefined)
      throw invalidPart('session_token', 'belongs to a temporary key (ASIA…), not to one of a user');
    return { facts: { accessKeyId: keyIdOf(values) } };
  },
  compress: false,
  rotationAdapters: [],
};

// EXPOSE: no secret by the type's own word.
const keyIdOf = ({ access_key_id: id }: Values): string => Buffer.from(id?.expose() ?? []).toString('latin1');
