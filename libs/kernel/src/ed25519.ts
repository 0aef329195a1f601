import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { KeymeshError } from './keymesh-error.js';
import { Secret } from './secret.js';
import { concat, fromBase64Url, lengthPrefixed, toBase64Url, utf8 } from './bytes.js';

// SOURCE: RFC 8410 section 7 and 4: the fixed DER prefixes of an Ed25519 private and public key.
const PKCS8_PREFIX = Uint8Array.from(Buffer.from('302e020100300506032b657004220420', 'hex'));
const SPKI_PREFIX = Uint8Array.from(Buffer.from('302a300506032b6570032100', 'hex'));

const SEED_BYTES = 32;

/** What a signature is for. Every signature covers its purpose, so that none can be used as another. */
export type SignaturePurpose =
  | 'keymesh/v1/channel-setup'
  | 'keymesh/v1/channel-key'
  | 'keymesh/v1/statement'
  | 'keymesh/v1/enrolment'
  | 'keymesh/v1/key-proof'
  | 'keymesh/v1/session-request'
  | 'keymesh/v1/approval'
  | 'keymesh/v1/bundle'
  | 'keymesh/v1/risk-scores'
  | 'keymesh/v1/bundle-attestation'
  | 'keymesh/v1/bundle-confirmation'
  | 'keymesh/v1/journal-pack'
  | 'keymesh/v1/event'
  | 'keymesh/v1/backup';

/** A signing key with its public half. The private key is a KeyObject; JavaScript cannot wipe it (docs/architecture/keys.md). */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** 32 raw bytes as unpadded base64url: how public keys travel in statements and files. */
  readonly publicKeyText: string;
}

/** Makes a random Ed25519 key. */
export function makeSigningKey(): { key: SigningKey; seed: Secret<'ed25519-seed'> } {
  const { privateKey } = generateKeyPairSync('ed25519');
  // DER and not JWK: a string of the seed could not be wiped.
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  const seed = new Secret(new Uint8Array(der.subarray(-SEED_BYTES)), 'ed25519-seed');
  der.fill(0);
  return { key: signingKeyOf(seed), seed };
}

/**
 * @param seed 32 bytes (RFC 8032 section 5.1.5); the caller keeps ownership.
 * @throws CONFIG_INVALID for another size: the import would read the first 32 bytes of a longer one without a word.
 */
export function signingKeyOf(seed: Secret): SigningKey {
  if (seed.sizeBytes !== SEED_BYTES) {
    throw new KeymeshError('CONFIG_INVALID', { publicMessage: 'The seed of a signing key is not 32 bytes.' });
  }
  // EXPOSE: node's key import needs the DER bytes; the copy is zeroed right after.
  const der = concat(PKCS8_PREFIX, seed.expose());
  try {
    const privateKey = createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' });
    const publicKey = createPublicKey(privateKey);
    return { privateKey, publicKey, publicKeyText: publicKey.export({ format: 'jwk' }).x ?? '' };
  } finally {
    der.fill(0);
  }
}

// Encodings of the eight points of small order, canonical or not: the sign bit aside, y is 0, 1, -1 (also as p and p + 1) or one of two others.
// INVARIANT: under such a key everybody can sign every message. OpenSSL 3.0 (node 20) takes them and 3.5 (node 24) does not: refused here, whoever runs us.
// SOURCE: RFC 8032 section 5.1.3 and 8.9; "Taming the many EdDSAs" (2020), section 3.
const SMALL_ORDER_POINTS = new Set(
  [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  ].flatMap((hex) => {
    const point = Buffer.from(hex, 'hex');
    const signed = Buffer.from(point);
    signed[31] = (point[31] ?? 0) | 0x80;
    return [toBase64Url(point), toBase64Url(signed)];
  }),
);

/** @returns the key, or undefined unless the text is 32 bytes in base64url, and no point of small order. */
export function verifyingKeyOf(publicKeyText: string): KeyObject | undefined {
  const raw = fromBase64Url(publicKeyText);
  if (raw?.length !== 32 || SMALL_ORDER_POINTS.has(publicKeyText)) return undefined;
  return createPublicKey({ key: Buffer.from(concat(SPKI_PREFIX, raw)), format: 'der', type: 'spki' });
}

const covered = (purpose: SignaturePurpose, message: Uint8Array): Uint8Array =>
  lengthPrefixed(utf8(purpose), message);

/** @returns 64 signature bytes over the purpose and the message. Deterministic (RFC 8032). */
export function signFor(purpose: SignaturePurpose, message: Uint8Array, key: SigningKey): Uint8Array {
  return new Uint8Array(sign(null, covered(purpose, message), key.privateKey));
}

/** @returns whether `signature` is by `publicKey` (KeyObject, or its base64url text) for this purpose. Never throws. */
export function verifyFor(
  purpose: SignaturePurpose,
  message: Uint8Array,
  signature: Uint8Array,
  publicKey: KeyObject | string,
): boolean {
  const key = typeof publicKey === 'string' ? verifyingKeyOf(publicKey) : publicKey;
  if (key === undefined || signature.length !== 64) return false;
  return verify(null, covered(purpose, message), key, signature);
}

/** Signature as text. */
export const signTextFor = (purpose: SignaturePurpose, message: Uint8Array, key: SigningKey): string =>
  toBase64Url(signFor(purpose, message, key));
