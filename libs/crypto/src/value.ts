import type { Secret } from '@keymesh/kernel';
import type { KeyMaterial } from './aes-gcm.js';
import { bindValue, type ValueBinding } from './binding.js';
import { openBox, sealBox } from './sealed-box.js';

/**
 * Encrypts one credential version.
 * @param dek 32 bytes, fresh for this version; the caller keeps ownership.
 * @param plaintext the encoded parts ({@link encodeParts}); the caller keeps ownership.
 * @returns 93 bytes more than the plaintext (ADR 0002).
 */
export const encryptValue = (value: {
  readonly dek: KeyMaterial;
  readonly plaintext: Secret;
  readonly binding: ValueBinding;
}): Uint8Array => sealBox(value.dek, bindValue(value.binding), value.plaintext);

/**
 * Decrypts one credential version. Deterministic; no I/O.
 * @param binding namespace, credential, version and DEK id, authenticated: a moved row does not open.
 * @returns the plaintext; the caller disposes it.
 * @throws DECRYPTION_FAILED for every cause alike.
 */
export const decryptValue = (value: {
  readonly dek: KeyMaterial;
  readonly encrypted: Uint8Array;
  readonly binding: ValueBinding;
}): Secret<'credential-value'> =>
  openBox(value.dek, bindValue(value.binding), value.encrypted, 'credential-value');
