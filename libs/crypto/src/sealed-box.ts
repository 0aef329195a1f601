import { createSecretKey, hkdfSync, randomBytes, timingSafeEqual, type KeyObject } from 'node:crypto';
import { concat, Secret } from '@keymesh/kernel';
import {
  KEY_BYTES,
  keyObjectOf,
  NONCE_BYTES,
  openGcm,
  sealGcm,
  TAG_BYTES,
  type KeyMaterial,
} from './aes-gcm.js';
import { closed } from './failures.js';

// The one format of everything that this library encrypts, ADR 0002:
//   u8 format = 1 ‖ salt (32) ‖ key commitment (32) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
//   HKDF-SHA-512(key, salt, info = binding, 64) = encryption key (32) ‖ key commitment (32);  AAD = binding
const FORMAT = 1;
const SALT_BYTES = 32;
const COMMITMENT_BYTES = 32;
const COMMITMENT_AT = 1 + SALT_BYTES;
const NONCE_AT = COMMITMENT_AT + COMMITMENT_BYTES;
const BODY_AT = NONCE_AT + NONCE_BYTES;
/** What sealing adds to the plaintext's size. */
export const OVERHEAD_BYTES = BODY_AT + TAG_BYTES;

/**
 * Seals under a key of its own, derived from `key` and 32 random bytes, so that no counter has to be shared and nonces
 * cannot meet however often `key` is used.
 * @param binding where this belongs (length-prefixed, starting with its kind); it opens nowhere else.
 * @param plaintext the caller keeps ownership.
 */
export function sealBox(key: KeyMaterial, binding: Uint8Array, plaintext: Secret): Uint8Array {
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const derived = deriveBoxKeys(keyObjectOf(key), salt, binding);
  // EXPOSE: straight into the cipher.
  const body = sealGcm(derived.key, nonce, binding, plaintext.expose());
  return concat(Uint8Array.of(FORMAT), salt, derived.commitment, nonce, body);
}

/**
 * Opens what {@link sealBox} sealed.
 * @returns the plaintext; the caller disposes it.
 * @throws DECRYPTION_FAILED for every cause alike.
 */
export const openBox = <Label extends string>(
  key: KeyMaterial,
  binding: Uint8Array,
  sealed: Uint8Array,
  label: Label,
): Secret<Label> => prepareBox(key, binding, sealed, label)();

/**
 * Derives the key of what {@link sealBox} sealed, so that it opens as often as wanted for one decryption each. The key commitment is
 * compared here, in constant time, before anything is decrypted: GCM alone would open a crafted ciphertext under two keys.
 * @param sealed must not change afterwards: what is opened is read from it.
 * @returns how to open it: the plaintext, which the caller disposes.
 * @throws DECRYPTION_FAILED for every cause alike, here and when it is opened.
 */
export function prepareBox<Label extends string>(
  key: KeyMaterial,
  binding: Uint8Array,
  sealed: Uint8Array,
  label: Label,
): () => Secret<Label> {
  if (sealed.length < OVERHEAD_BYTES || sealed[0] !== FORMAT) throw closed();
  const derived = deriveBoxKeys(keyObjectOf(key), sealed.subarray(1, COMMITMENT_AT), binding);
  if (!timingSafeEqual(derived.commitment, sealed.subarray(COMMITMENT_AT, NONCE_AT))) throw closed();
  const nonce = sealed.subarray(NONCE_AT, BODY_AT);
  const body = sealed.subarray(BODY_AT);
  return () => new Secret(openGcm(derived.key, nonce, binding, body), label);
}

/** SOURCE: RFC 5869 with SHA-512: one block gives both halves, so neither tells of the other. */
function deriveBoxKeys(key: KeyObject, salt: Uint8Array, binding: Uint8Array) {
  const derived = new Uint8Array(hkdfSync('sha512', key, salt, binding, KEY_BYTES + COMMITMENT_BYTES));
  const commitment = derived.slice(KEY_BYTES);
  const boxKey = createSecretKey(derived.subarray(0, KEY_BYTES));
  derived.fill(0);
  return { key: boxKey, commitment };
}
