import { generateKeyPairSync } from 'node:crypto';
import { Secret } from '@keymesh/kernel';
import type { Values } from '../parts.js';
import { invalidPart } from './check-values.js';
import { readOpensshKey, writeOpensshKey } from './openssh-key.js';
import { fromPem } from './pem.js';
import type { CredentialTypePlugin, Inspection } from './plugin.js';
import { isWeakKey, readPrivateKey, securityBitsOf, WEAK_KEY } from './private-key.js';

const OPENSSH = 'OPENSSH PRIVATE KEY';

export const sshKey: CredentialTypePlugin = {
  type: 'ssh_key',
  summary: 'An SSH key pair.',
  parts: [
    {
      name: 'private_key',
      summary: "the private key: OpenSSH's own form, or PEM",
      secret: true,
      required: true,
      maxBytes: 16_384,
      format: 'pem',
    },
    {
      name: 'public_key',
      summary: 'the public key, one line as in authorized_keys',
      secret: false,
      required: false,
      maxBytes: 16_384,
      format: 'text',
    },
    {
      name: 'passphrase',
      summary: 'the passphrase of the private key, if it is under one',
      secret: true,
      required: false,
      maxBytes: 1_024,
      format: 'text',
    },
    {
      name: 'username',
      summary: 'the user to log in as',
      secret: false,
      required: false,
      maxBytes: 256,
      format: 'text',
    },
  ],
  primaryPart: 'private_key',
  policy: { maxAgeDays: null },
  rules: [WEAK_KEY],
  inspect(values) {
    // EXPOSE: read in place; what is wiped is what was decoded from it.
    const blob = fromPem(OPENSSH, values.private_key?.expose() ?? new Uint8Array());
    return blob === undefined ? inspectPem(values) : inspectOpenssh(values, blob);
  },
  generates: ['private_key', 'public_key'],
  generate() {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
      privateKeyEncoding: { type: 'pkcs8', format: 'der' },
      publicKeyEncoding: { type: 'spki', format: 'der' },
    });
    // RFC 8410: both end with their 32 bytes.
    using seed = new Secret(privateKey.subarray(-32), 'ssh-seed');
    const { pem, line } = writeOpensshKey(seed, publicKey.subarray(-32));
    return { private_key: new Secret(pem, 'ssh-key'), public_key: Secret.fromText(line, 'ssh-public-key') };
  },
  compress: false,
  rotationAdapters: ['generated'],
};

function inspectPem({ private_key: key, passphrase }: Values): Inspection {
  if (key === undefined || passphrase !== undefined)
    throw invalidPart('passphrase', "goes only with a key in OpenSSH's own form (ssh-keygen -p converts)");
  const securityBits = securityBitsOf(readPrivateKey('private_key', key));
  return {
    broken: isWeakKey(securityBits) ? [WEAK_KEY.rule] : [],
    ...(securityBits === undefined ? {} : { securityBits }),
  };
}

function inspectOpenssh(values: Values, blob: Uint8Array): Inspection {
  const key = readOpensshKey(blob);
  blob.fill(0);
  if (key === undefined) throw invalidPart('private_key', 'must be one whole key of OpenSSH');
  if (key.isEncrypted !== (values.passphrase !== undefined)) {
    throw key.isEncrypted
      ? invalidPart('passphrase', 'is missing: the private key is under one')
      : invalidPart('passphrase', 'is one too many: the private key is not under one');
  }
  checkPublicKey(values, key.publicKey);
  return {
    broken: isWeakKey(key.securityBits) ? [WEAK_KEY.rule] : [],
    ...(key.securityBits === undefined ? {} : { securityBits: key.securityBits }),
    facts: { algorithm: key.algorithm },
  };
}

function checkPublicKey({ public_key: given }: Values, publicKey: Uint8Array): void {
  if (given === undefined) return;
  // EXPOSE: no secret by the type's own word.
  const [, base64 = ''] = Buffer.from(given.expose()).toString('utf8').split(' ');
  if (Buffer.compare(Buffer.from(base64, 'base64'), publicKey) !== 0)
    throw invalidPart('public_key', 'must belong to the private key: it is another one');
}
