import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { failure } from '@keymesh/contracts';
import { concat, fromBase64Url, Secret, toHex } from '@keymesh/kernel';
import { decodeText, encodeText } from './text-form.js';

// SOURCE: RFC 8410 section 7: the fixed DER prefix of an X25519 private key.
const PKCS8_PREFIX = Uint8Array.from(Buffer.from('302e020100300506032b656e04220420', 'hex'));
const KEY_BYTES = 32;
const KEY_ID_BYTES = 16;
const VERSION = 1;
const PREFIX = 'keymesh-recovery';
const PAYLOAD_BYTES = 3 + KEY_BYTES;

/** The public half: whoever has it can wrap for recovery, and nothing else. */
export interface RecoveryPublicKey {
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** First 16 bytes of SHA-256 of the public key, hex. */
  readonly keyId: string;
  /** How the private half was split: any `threshold` of `shares`. */
  readonly shares: number;
  readonly threshold: number;
}

/** @param publicKey 32 raw bytes. */
export const recoveryKeyId = (publicKey: Uint8Array): string =>
  toHex(createHash('sha256').update(publicKey).digest().subarray(0, KEY_ID_BYTES));

/** Makes a random X25519 private key: 32 bytes, which the caller splits and disposes. */
export function makeRecoveryPrivateKey(): Secret<'recovery-private-key'> {
  const der = generateKeyPairSync('x25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  const raw = new Uint8Array(der.subarray(-KEY_BYTES));
  der.fill(0);
  return new Secret(raw, 'recovery-private-key');
}

/** @param privateKey 32 bytes; the caller keeps ownership. SOURCE: RFC 7748 section 6.1 */
export function publicHalfOf(privateKey: Secret): Uint8Array {
  // EXPOSE: node's key import needs the DER bytes; the copy is zeroed right after.
  const der = concat(PKCS8_PREFIX, privateKey.expose());
  try {
    const key = createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' });
    return fromBase64Url(createPublicKey(key).export({ format: 'jwk' }).x ?? '') ?? new Uint8Array();
  } finally {
    der.fill(0);
  }
}

/** One line for a file: `keymesh-recovery-…`. Not secret. */
export const writeRecoveryPublicKey = ({
  publicKey,
  shares,
  threshold,
}: Omit<RecoveryPublicKey, 'keyId'>): string =>
  Buffer.from(encodeText(PREFIX, concat(Uint8Array.of(VERSION, shares, threshold), publicKey))).toString(
    'ascii',
  );

/** @throws CONFIG_INVALID unless the text is one recovery public key as {@link writeRecoveryPublicKey} writes it. */
export function readRecoveryPublicKey(text: string): RecoveryPublicKey {
  const payload = decodeText(PREFIX, Buffer.from(text), PAYLOAD_BYTES);
  if (payload?.[0] !== VERSION)
    throw failure('CONFIG_INVALID', {
      publicMessage: 'The file of the recovery public key is damaged or of another kind. Copy it again.',
    });
  const publicKey = payload.slice(3);
  return { publicKey, keyId: recoveryKeyId(publicKey), shares: payload[1] ?? 0, threshold: payload[2] ?? 0 };
}
