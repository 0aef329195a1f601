import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { JWT_ALGORITHMS, type JwtAlgorithm } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import type { Values } from '../parts.js';
import { invalidPart } from './check-values.js';
import { toPem } from './pem.js';
import type { CredentialTypePlugin, GenerateOptions } from './plugin.js';
import { isWeakKey, readPrivateKey, securityBitsOf, WEAK_KEY } from './private-key.js';

/** A key that signs tokens of your own services (RFC 7515). It never has to leave the vault: see leases. */
export const jwtSigningKey: CredentialTypePlugin = {
  type: 'jwt_signing_key',
  summary: 'A private key that signs JSON Web Tokens.',
  parts: [
    {
      name: 'private_key',
      summary: 'the private key in PEM, without a passphrase',
      secret: true,
      required: true,
      maxBytes: 16_384,
      format: 'pem',
    },
    {
      name: 'algorithm',
      summary: `the algorithm: ${JWT_ALGORITHMS.join(', ')}`,
      secret: false,
      required: false,
      maxBytes: 16,
      format: 'text',
      check: (bytes) =>
        algorithmOf(bytes) === undefined ? `one of ${JWT_ALGORITHMS.join(', ')}` : undefined,
    },
    {
      name: 'key_id',
      summary: 'the kid of its tokens',
      secret: false,
      required: false,
      maxBytes: 256,
      format: 'text',
    },
    {
      name: 'issuer',
      summary: 'the iss of its tokens; default: keymesh',
      secret: false,
      required: false,
      maxBytes: 256,
      format: 'text',
    },
    {
      name: 'audiences',
      summary: 'whom it signs for: their aud, one or more with spaces between; default: anybody',
      secret: false,
      required: false,
      maxBytes: 2_048,
      format: 'text',
    },
    {
      name: 'public_key',
      summary: 'the public key in PEM',
      secret: false,
      required: false,
      maxBytes: 8_192,
      format: 'pem',
    },
  ],
  primaryPart: 'private_key',
  policy: { maxAgeDays: null },
  rules: [WEAK_KEY],
  inspect({ private_key: privateKey, algorithm, public_key: publicKey }) {
    if (privateKey === undefined) throw invalidPart('private_key', 'is missing');
    const key = readPrivateKey('private_key', privateKey);
    const fitting = fittingAlgorithm(key);
    // EXPOSE: no secrets by the type's own word.
    const [stated, given] = [algorithm?.expose(), publicKey?.expose()];
    if (fitting === undefined)
      throw invalidPart(
        'private_key',
        `must be for one of ${JWT_ALGORITHMS.join(', ')}: P-256, Ed25519 or RSA`,
      );
    if (stated !== undefined && algorithmOf(stated) !== fitting)
      throw invalidPart('algorithm', 'must be that of the private key');
    if (given !== undefined && !isPublicKeyOf(key, given))
      throw invalidPart('public_key', 'must belong to the private key');
    const securityBits = securityBitsOf(key);
    return {
      broken: isWeakKey(securityBits) ? [WEAK_KEY.rule] : [],
      ...(securityBits === undefined ? {} : { securityBits }),
      facts: { algorithm: fitting, thumbprint: thumbprintOf(createPublicKey(key)) },
    };
  },
  generates: ['private_key', 'algorithm', 'key_id', 'public_key'],
  generate: (options) => generateFor(wantedAlgorithm(options)),
  compress: false,
  rotationAdapters: ['generated'],
};

const algorithmOf = (bytes: Uint8Array): JwtAlgorithm | undefined => {
  const text = Buffer.from(bytes).toString('latin1');
  return JWT_ALGORITHMS.find((algorithm) => algorithm === text);
};

/** RFC 7518 sections 3.3 and 3.4, RFC 8037 section 3.1. */
function fittingAlgorithm({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): JwtAlgorithm | undefined {
  if (asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (asymmetricKeyType === 'rsa') return 'RS256';
  return asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ES256' : undefined;
}

function isPublicKeyOf(key: KeyObject, pem: Uint8Array): boolean {
  try {
    return createPublicKey({ key: Buffer.from(pem), format: 'pem' }).equals(createPublicKey(key));
  } catch {
    return false;
  }
}

/** As asked, else as the key that is replaced, else ES256, which every library knows. */
function wantedAlgorithm({ algorithm, before }: GenerateOptions): JwtAlgorithm {
  if (algorithm !== undefined) return algorithm;
  const replaced = before?.private_key;
  return (replaced && fittingAlgorithm(readPrivateKey('private_key', replaced))) ?? 'ES256';
}

const makePair = promisify(generateKeyPair);

async function generateFor(algorithm: JwtAlgorithm): Promise<Values> {
  const { privateKey } = await makeKeyPair(algorithm);
  const der = privateKey.export({ type: 'pkcs8', format: 'der' });
  const pem = toPem('PRIVATE KEY', der);
  der.fill(0);
  const publicKey = createPublicKey(createPrivateKey({ key: Buffer.from(pem.buffer), format: 'pem' }));
  return {
    private_key: new Secret(pem, 'jwt-key'),
    algorithm: Secret.fromText(algorithm, 'jwt-algorithm'),
    key_id: Secret.fromText(thumbprintOf(publicKey), 'jwt-key-id'),
    public_key: Secret.fromText(String(publicKey.export({ type: 'spki', format: 'pem' })), 'jwt-public-key'),
  };
}

/** Off the event loop: an RSA key takes a while. */
function makeKeyPair(algorithm: JwtAlgorithm): Promise<{ privateKey: KeyObject }> {
  if (algorithm === 'EdDSA') return makePair('ed25519');
  return algorithm === 'ES256'
    ? makePair('ec', { namedCurve: 'prime256v1' })
    : makePair('rsa', { modulusLength: 3_072 });
}

const THUMBPRINT_FIELDS = ['crv', 'e', 'kty', 'n', 'x', 'y'] as const;

/** RFC 7638: SHA-256 over the required fields of the public JWK, in order. */
function thumbprintOf(publicKey: KeyObject): string {
  const jwk = publicKey.export({ format: 'jwk' });
  const fields = THUMBPRINT_FIELDS.flatMap((name) => (jwk[name] === undefined ? [] : [[name, jwk[name]]]));
  return createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(fields)))
    .digest('base64url');
}
