import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { Secret } from '@keymesh/kernel';
import type { Rule } from '../quality/credential-policy.js';
import { invalidPart } from './check-values.js';

/** For every type that holds a private key. */
export const WEAK_KEY: Rule = {
  rule: 'weak-key',
  strictness: 'enforce',
  advice: 'The key is too small for today. Use Ed25519, ECDSA on P-256, or RSA with 2048 bits or more.',
};

/** Least security of a key, in bits: NIST SP 800-131A revision 2. */
const LEAST_BITS = 112;

export const isWeakKey = (securityBits: number | undefined): boolean =>
  securityBits !== undefined && securityBits < LEAST_BITS;

const ENCRYPTED = [Buffer.from('ENCRYPTED PRIVATE KEY'), Buffer.from('Proc-Type: 4,ENCRYPTED')];

/**
 * A private key in PEM (PKCS#8, PKCS#1, SEC 1). The KeyObject cannot be wiped; it lives as long as the check.
 * @throws CREDENTIAL_VALUES_INVALID when it is none, or under a passphrase.
 */
export function readPrivateKey(part: string, secret: Secret): KeyObject {
  // EXPOSE: read by OpenSSL in place.
  const { buffer, byteOffset, length } = secret.expose();
  const key = Buffer.from(buffer, byteOffset, length);
  if (ENCRYPTED.some((mark) => key.includes(mark))) {
    throw invalidPart(
      part,
      'must not be under a passphrase: Keymesh encrypts it, and could not check or use it',
    );
  }
  try {
    return createPrivateKey({ key, format: 'pem' });
  } catch {
    throw invalidPart(part, 'must be a private key in PEM');
  }
}

const CURVE_BITS: Readonly<Record<string, number>> = {
  prime256v1: 128,
  secp384r1: 192,
  secp521r1: 256,
  secp256k1: 128,
};
const KEY_TYPE_BITS: Readonly<Record<string, number>> = { ed25519: 128, ed448: 224, x25519: 128, x448: 224 };

/** Security of a key in bits (NIST SP 800-57 part 1 revision 5, table 2); undefined for an algorithm that is not known. */
export function securityBitsOf(key: KeyObject): number | undefined {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (namedCurve !== undefined) return CURVE_BITS[namedCurve];
  if (modulusLength !== undefined) return modulusBits(modulusLength);
  return KEY_TYPE_BITS[key.asymmetricKeyType ?? ''];
}

/** RSA, RSA-PSS and DSA. */
export function modulusBits(modulusLength: number): number {
  if (modulusLength >= 7_680) return 192;
  if (modulusLength >= 3_072) return 128;
  if (modulusLength >= 2_048) return 112;
  return modulusLength >= 1_024 ? 80 : 40;
}
