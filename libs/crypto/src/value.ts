import type { Secret } from '@keymesh/kernel';
import type { KeyMaterial } from './aes-gcm.js';
import { bindValue, type ValueBinding } from './binding.js';
import { openBox, prepareBox, sealBox } from './sealed-box.js';

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

/**
 * As {@link decryptValue}, for a value that is read often: its key is derived and checked once.
 * @param encrypted must not change afterwards.
 * @returns decrypts it; what it gives the caller disposes.
 * @throws DECRYPTION_FAILED for every cause alike, here and when it decrypts.
 */
export const prepareValue = (value: {
  readonly dek: KeyMaterial;
  readonly encrypted: Uint8Array;
  readonly binding: ValueBinding;
}): (() => Secret<'credential-value'>) =>
  prepareBox(value.dek, bindValue(value.binding), value.encrypted, 'credential-value');
