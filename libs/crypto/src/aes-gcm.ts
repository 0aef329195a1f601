import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import type { Secret } from '@keymesh/kernel';
import { closed } from './failures.js';

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
const ALGORITHM = 'aes-256-gcm';

/** A 256-bit key: as a Secret, which can be wiped, or as a KeyObject, which is quicker and cannot. */
export type KeyMaterial = Secret | KeyObject;

/** @returns the key as a KeyObject. @throws DECRYPTION_FAILED unless it is 32 bytes. */
export function keyObjectOf(key: KeyMaterial): KeyObject {
  if ('type' in key) {
    if (key.symmetricKeySize !== KEY_BYTES) throw closed();
    return key;
  }
  if (key.sizeBytes !== KEY_BYTES) throw closed();
  // EXPOSE: becomes a KeyObject, which node does not print; the caller still owns and wipes the Secret.
  return createSecretKey(key.expose());
}

/**
 * AES-256-GCM. SOURCE: NIST SP 800-38D.
 * @param nonce 12 bytes, never twice under one key.
 * @returns ciphertext, then the 16-byte tag.
 * @throws DECRYPTION_FAILED when the nonce is not 12 bytes.
 */
export function sealGcm(
  key: KeyObject,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  if (nonce.length !== NONCE_BYTES) throw closed();
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  const body = cipher.update(plaintext);
  return Buffer.concat([body, cipher.final(), cipher.getAuthTag()]);
}

/** @returns fresh bytes, which the caller owns and wipes. @throws DECRYPTION_FAILED for every cause alike. */
export function openGcm(key: KeyObject, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array {
  const size = sealed.length - TAG_BYTES;
  if (nonce.length !== NONCE_BYTES || size < 0) throw closed();
  // authTagLength: without it node takes a 4-byte tag as well.
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(size));
  const plaintext = decipher.update(sealed.subarray(0, size));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    throw closed();
  }
  return plaintext;
}
