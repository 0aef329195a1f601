import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { JWT_ALGORITHMS } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { makeCertificate } from '../../../test/types/make-certificate.js';
import { checkParts } from './check-values.js';
import { credentialTypes } from './index.js';
import { readOpensshKey } from './openssh-key.js';
import { fromPem, toPem } from './pem.js';
import type { CredentialTypePlugin } from './plugin.js';

const NOW = Date.now();
const DAY = 86_400_000;
const text = (value: string) => Secret.fromText(value, 'value');
const shown = (part: Secret | undefined) => Buffer.from(part?.expose() ?? []).toString();
const inspect = (plugin: CredentialTypePlugin, values: Readonly<Record<string, string>>) => {
  const secrets = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, text(value)]));
  checkParts(plugin, secrets);
  return plugin.inspect?.(secrets, NOW) ?? {};
};
const refused = async (plugin: CredentialTypePlugin, values: Readonly<Record<string, string>>) =>
  (await expectCode(() => inspect(plugin, values), 'CREDENTIAL_VALUES_INVALID')).publicMessage;
const keyPem = (type: 'ed25519' | 'rsa', options = {}) =>
  (type === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2048, ...options })
    : generateKeyPairSync('ed25519')
  ).privateKey
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();

describe('tls_certificate', () => {
  const plugin = credentialTypes.tls_certificate;
  const root = makeCertificate({ name: 'Root', until: NOW + 900 * DAY });
  const issuing = makeCertificate({ name: 'Issuing', issuer: root, until: NOW + 300 * DAY });
  const leaf = makeCertificate({
    name: 'leaf',
    issuer: issuing,
    hosts: ['a.example', 'b.example'],
    until: NOW + 90 * DAY,
  });
  const chain = [leaf, issuing, root].map(({ pem }) => pem).join('');

  it('is what node takes for certificates', () => {
    expect(new X509Certificate(leaf.pem).checkHost('b.example')).toBe('b.example');
  });

  it('reads names and expiry, the earliest of the chain', () => {
    const read = inspect(plugin, { certificate: chain, private_key: leaf.keyPem });
    expect(read.broken).toEqual([]);
    expect(read.facts).toMatchObject({ names: 'DNS:a.example, DNS:b.example', certificates: '3' });
    expect(Math.abs(read.expiresAtMs! - (NOW + 90 * DAY))).toBeLessThan(1_000);
    const short = makeCertificate({ name: 'Short', issuer: root, until: NOW + DAY });
    const long = makeCertificate({
      name: 'leaf',
      issuer: short,
      hosts: ['a.example'],
      until: NOW + 90 * DAY,
    });
    const early = inspect(plugin, { certificate: long.pem + short.pem, private_key: long.keyPem });
    expect(Math.abs(early.expiresAtMs! - (NOW + DAY))).toBeLessThan(1_000);
  });

  it.each([
    ['a key of another certificate', chain, issuing.keyPem, /private_key must belong/],
    ['the chain upside down', root.pem + issuing.pem + leaf.pem, root.keyPem, /certificate must be in order/],
    ['a gap in the chain', leaf.pem + root.pem, leaf.keyPem, /certificate must be in order/],
    ['the key among the certificates', chain + leaf.keyPem, leaf.keyPem, /nothing but certificates/],
    ['no key at all', chain, leaf.pem, /private_key must be a private key/],
  ])('refuses %s', async (_what, certificate, privateKey, sentence) => {
    expect(await refused(plugin, { certificate, private_key: privateKey })).toMatch(sentence);
  });

  it('refuses an issuer of the right name with another key', async () => {
    const impostor = makeCertificate({ name: 'Issuing', issuer: root });
    const certificate = leaf.pem + impostor.pem;
    expect(await refused(plugin, { certificate, private_key: leaf.keyPem })).toMatch(/in order/);
  });

  it('refuses a key under a passphrase with a sentence of its own', async () => {
    const sealed = leaf.key
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
      .toString();
    expect(await refused(plugin, { certificate: chain, private_key: sealed })).toMatch(/passphrase/);
  });

  it('finds a certificate without names, one that is not valid yet, and a key that is too small', () => {
    const self = makeCertificate({ name: 'Nameless' });
    expect(inspect(plugin, { certificate: self.pem, private_key: self.keyPem }).broken).toEqual(['no-names']);
    const later = makeCertificate({
      name: 'later',
      hosts: ['a.example'],
      from: NOW + DAY,
      until: NOW + 2 * DAY,
    });
    expect(inspect(plugin, { certificate: later.pem, private_key: later.keyPem }).broken).toEqual([
      'not-yet-valid',
    ]);
    const small = keyPem('rsa', { modulusLength: 1024 });
    expect(inspect(credentialTypes.jwt_signing_key, { private_key: small }).broken).toEqual(['weak-key']);
  });
});

describe('ssh_key', () => {
  const plugin = credentialTypes.ssh_key;

  it('generates a pair that belongs together', async () => {
    const made = await plugin.generate!({ lengthChars: 40 });
    const blob = fromPem('OPENSSH PRIVATE KEY', made.private_key!.expose())!;
    // The seed stands before the point in the private section; node derives the point from it.
    const { publicKey } = readOpensshKey(blob)!;
    const point = publicKey.subarray(-32);
    const seedEnd = Buffer.from(blob).lastIndexOf(point);
    const pkcs8 = Buffer.concat([
      Buffer.from('302e020100300506032b657004220420', 'hex'),
      blob.subarray(seedEnd - 32, seedEnd),
    ]);
    const key = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
    expect(key.export({ type: 'spki', format: 'der' }).subarray(-32).equals(point)).toBe(true);
    expect(shown(made.public_key)).toBe(`ssh-ed25519 ${Buffer.from(publicKey).toString('base64')}`);
  });

  it('takes PEM as well, and knows a public key of another', async () => {
    expect(inspect(plugin, { private_key: keyPem('ed25519') })).toMatchObject({
      broken: [],
      securityBits: 128,
    });
    const [mine, other] = [
      await plugin.generate!({ lengthChars: 40 }),
      await plugin.generate!({ lengthChars: 40 }),
    ];
    const values = { private_key: shown(mine.private_key), public_key: shown(other.public_key) };
    expect(await refused(plugin, values)).toMatch(/public_key must belong/);
  });

  it('wants a passphrase exactly where the key is under one', async () => {
    const made = await plugin.generate!({ lengthChars: 40 });
    expect(await refused(plugin, { private_key: shown(made.private_key), passphrase: 'x' })).toMatch(
      /one too many/,
    );
    // The same key, declared to be encrypted.
    const blob = fromPem('OPENSSH PRIVATE KEY', made.private_key!.expose())!;
    const encrypted = Buffer.concat([
      blob.subarray(0, 15),
      ...['aes256-ctr', 'bcrypt', 'options'].flatMap((field) => {
        const size = Buffer.alloc(4);
        size.writeUInt32BE(field.length);
        return [size, Buffer.from(field)];
      }),
      blob.subarray(15 + 8 + 8 + 4),
    ]);
    const sealed = Buffer.from(toPem('OPENSSH PRIVATE KEY', encrypted)).toString();
    expect(await refused(plugin, { private_key: sealed })).toMatch(/passphrase is missing/);
    expect(inspect(plugin, { private_key: sealed, passphrase: 'x' }).facts).toEqual({
      algorithm: 'ssh-ed25519',
    });
  });
});

describe('jwt_signing_key', () => {
  const plugin = credentialTypes.jwt_signing_key;

  it.each(JWT_ALGORITHMS)(
    'generates a key for %s that signs, and one of the same kind after it',
    async (algorithm) => {
      const made = await plugin.generate!({ lengthChars: 40, algorithm });
      expect(shown(made.algorithm)).toBe(algorithm);
      const key = createPrivateKey(shown(made.private_key));
      const digest = algorithm === 'EdDSA' ? null : 'sha256';
      const signature = sign(digest, Buffer.from('payload'), key);
      expect(verify(digest, Buffer.from('payload'), createPublicKey(shown(made.public_key)), signature)).toBe(
        true,
      );
      const next = await plugin.generate!({ lengthChars: 40, before: made });
      expect(shown(next.algorithm)).toBe(algorithm);
      expect(shown(next.key_id)).not.toBe(shown(made.key_id));
    },
  );

  it('refuses an algorithm or public key that is not the key’s, and a key of no such algorithm', async () => {
    const pem = keyPem('ed25519');
    expect(await refused(plugin, { private_key: pem, algorithm: 'RS256' })).toMatch(/algorithm must be that/);
    expect(await refused(plugin, { private_key: pem, algorithm: 'none' })).toMatch(
      /one of ES256, EdDSA, RS256/,
    );
    const other = createPublicKey(keyPem('ed25519')).export({ type: 'spki', format: 'pem' }).toString();
    expect(await refused(plugin, { private_key: pem, public_key: other })).toMatch(/public_key must belong/);
    const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
    const foreign = p384.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(await refused(plugin, { private_key: foreign })).toMatch(/must be for one of/);
  });
});

describe('keys and tokens of providers', () => {
  it('aws_access_key wants a session token with a temporary key and only there', async () => {
    const plugin = credentialTypes.aws_access_key;
    const key = { access_key_id: 'ASIAABCDEFGHIJKLMNOP', secret_access_key: 'a'.repeat(40) };
    expect(await refused(plugin, key)).toMatch(/session_token is needed/);
    const user = { ...key, access_key_id: 'AKIAABCDEFGHIJKLMNOP' };
    expect(inspect(plugin, user).facts).toEqual({ accessKeyId: 'AKIAABCDEFGHIJKLMNOP' });
    expect(await refused(plugin, { ...user, session_token: 'x' })).toMatch(/temporary key/);
    expect(await refused(plugin, { ...user, access_key_id: 'AKIA' })).toMatch(
      /access_key_id must be AKIA or ASIA/,
    );
    expect(await refused(plugin, { ...user, secret_access_key: 'a'.repeat(39) })).toMatch(/40 characters/);
  });

  it('gcp_service_account wants the whole file, and its key', async () => {
    const plugin = credentialTypes.gcp_service_account;
    const file = {
      ...{ type: 'service_account', project_id: 'p', private_key_id: 'k', client_email: 'a@p.example' },
      private_key: keyPem('rsa'),
    };
    expect(inspect(plugin, { key: JSON.stringify(file) }).facts).toEqual({
      projectId: 'p',
      clientEmail: 'a@p.example',
    });
    const without = (field: string) => JSON.stringify({ ...file, [field]: undefined });
    expect(await refused(plugin, { key: without('client_email') })).toMatch(/the field client_email/);
    expect(await refused(plugin, { key: without('type') })).toMatch(/"service_account"/);
    expect(await refused(plugin, { key: JSON.stringify({ ...file, private_key: 'x' }) })).toMatch(
      /private key in PEM/,
    );
    expect(await refused(plugin, { key: '{' })).toMatch(/key must be JSON/);
  });

  it('oauth_token reads when it ends from what is said, else from a JWT', () => {
    const plugin = credentialTypes.oauth_token;
    const jwt = (claims: object) =>
      ['{"alg":"none"}', JSON.stringify(claims), 'signature']
        .map((part) => Buffer.from(part).toString('base64url'))
        .join('.');
    expect(inspect(plugin, { access_token: jwt({ exp: 1_900_000_000 }) }).expiresAtMs).toBe(
      1_900_000_000_000,
    );
    expect(
      inspect(plugin, { access_token: jwt({ exp: 1 }), expires_at: '2030-01-01T00:00:00+01:00' }).expiresAtMs,
    ).toBe(Date.parse('2029-12-31T23:00:00Z'));
    for (const opaque of ['opaque', 'a.b', 'a.b.c', jwt({ exp: 'soon' }), jwt({ exp: 1e300 })])
      expect(inspect(plugin, { access_token: opaque })).toEqual({});
  });
});

describe('PEM on bytes', () => {
  it('is what OpenSSL writes and reads', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const der = privateKey.export({ type: 'pkcs8', format: 'der' });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(Buffer.from(toPem('PRIVATE KEY', der)).toString()).toBe(pem);
    expect(der.equals(fromPem('PRIVATE KEY', Buffer.from(pem))!)).toBe(true);
  });

  it.each([0, 1, 2, 3, 47, 48, 49])('comes back with %d bytes', (size) => {
    const bytes = Buffer.alloc(size, 0xa7);
    expect(bytes.equals(fromPem('X', toPem('X', bytes))!)).toBe(true);
  });

  it.each([
    '-----BEGIN X-----\nA\n-----END X-----',
    '-----BEGIN X-----\n%%%%\n-----END X-----',
    '-----BEGIN X-----',
    'AAAA',
  ])('is refused as %j', (text) => expect(fromPem('X', Buffer.from(text))).toBeUndefined());
});
