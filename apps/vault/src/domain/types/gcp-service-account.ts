import { fromUtf8, Secret, utf8 } from '@keymesh/kernel';
import { invalidPart } from './check-values.js';
import type { CredentialTypePlugin } from './plugin.js';
import { isWeakKey, readPrivateKey, securityBitsOf, WEAK_KEY } from './private-key.js';

const TEXTS = ['project_id', 'private_key_id', 'client_email'] as const;

/** The JSON file that Google Cloud gives for a key of a service account, kept whole because its libraries take it whole. */
export const gcpServiceAccount: CredentialTypePlugin = {
  type: 'gcp_service_account',
  summary: 'The JSON key file of a Google Cloud service account.',
  parts: [
    {
      name: 'key',
      summary: 'the JSON file',
      secret: true,
      required: true,
      maxBytes: 16_384,
      format: 'json',
    },
  ],
  primaryPart: 'key',
  policy: { maxAgeDays: null },
  rules: [WEAK_KEY],
  inspect({ key }) {
    // EXPOSE: JSON cannot be read without strings; they go with the next garbage collection, unwiped.
    const file = JSON.parse(fromUtf8(key?.expose() ?? new Uint8Array())) as Readonly<Record<string, unknown>>;
    if (file.type !== 'service_account') throw invalidPart('key', 'must have the type "service_account"');
    const missing = [...TEXTS, 'private_key'].find(
      (field) => typeof file[field] !== 'string' || file[field] === '',
    );
    if (missing !== undefined) throw invalidPart('key', `must have the field ${missing}`);
    using pem = new Secret(utf8(String(file.private_key)), 'private-key');
    const securityBits = securityBitsOf(readPrivateKey('key', pem));
    return {
      broken: isWeakKey(securityBits) ? [WEAK_KEY.rule] : [],
      ...(securityBits === undefined ? {} : { securityBits }),
      facts: { projectId: String(file.project_id), clientEmail: String(file.client_email) },
    };
  },
  compress: true,
  rotationAdapters: [],
};
