import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import type { PartFormat } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import type { CredentialTypePlugin, PartSchema } from '../../src/domain/types/plugin.js';
import type { Values } from '../../src/domain/parts.js';
import { makeCertificate } from './make-certificate.js';

// Values for the conformance suite, made at run time. Most follow from the formats of the parts; the rest are here.

const secret = (value: string | Uint8Array): Secret =>
  new Secret(Uint8Array.from(typeof value === 'string' ? Buffer.from(value) : value), 'sample');
const letters = (count: number): string =>
  randomBytes(count * 2)
    .toString('base64url')
    .replace(/[-_]/g, 'A')
    .slice(0, count);

const BY_FORMAT: Readonly<Record<Exclude<PartFormat, 'pem' | 'json'>, () => string | Uint8Array>> = {
  bytes: () => randomBytes(64),
  // Of every class, so that no strength rule has anything to say.
  text: () => `${letters(28)}-aB7!`,
  url: () => `https://${letters(8).toLowerCase()}.example/token`,
  host: () => `${letters(8).toLowerCase()}.example`,
  port: () => '5432',
  uuid: () => randomUUID(),
  timestamp: () => new Date(Date.now() + 86_400_000).toISOString(),
};

const pemKey = () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });

const BY_TYPE: Readonly<Record<string, () => Record<string, string | Uint8Array>>> = {
  aws_access_key: () => ({
    access_key_id: `AKIA${letters(16).toUpperCase()}`,
    secret_access_key: `${letters(39)}/`,
  }),
  gcp_service_account: () => ({
    key: JSON.stringify({
      type: 'service_account',
      project_id: 'demo-project',
      private_key_id: randomBytes(20).toString('hex'),
      private_key: pemKey(),
      client_email: 'demo@demo-project.iam.gserviceaccount.com',
    }),
  }),
  azure_client_secret: () => ({
    tenant_id: randomUUID(),
    client_id: randomUUID(),
    client_secret: `${letters(3)}8Q~${letters(34)}`,
    expires_at: BY_FORMAT.timestamp(),
  }),
  tls_certificate: () => {
    const root = makeCertificate({ name: 'Sample Root' });
    const leaf = makeCertificate({ name: 'sample', issuer: root, hosts: ['sample.example'] });
    return { certificate: leaf.pem + root.pem, private_key: leaf.keyPem };
  },
};

/** A value that the type and its policy accept without a finding. The caller disposes it. */
export async function sampleOf(plugin: CredentialTypePlugin): Promise<Values> {
  const special = BY_TYPE[plugin.type]?.();
  if (special !== undefined)
    return Object.fromEntries(Object.entries(special).map(([name, value]) => [name, secret(value)]));
  const generated = (await plugin.generate?.({ lengthChars: 40 })) ?? {};
  const needed = ({ name, required, format }: PartSchema) =>
    !Object.hasOwn(generated, name) && (required || (plugin.readsExpiry === true && format === 'timestamp'));
  const given = plugin.parts.filter(needed).map(({ name, format }): [string, Secret] => {
    if (format === 'pem' || format === 'json')
      throw new Error(
        `no sample of ${plugin.type} can be made of its formats: add one to test/types/samples.ts`,
      );
    return [name, secret(BY_FORMAT[format]())];
  });
  return { ...Object.fromEntries(given), ...generated };
}
