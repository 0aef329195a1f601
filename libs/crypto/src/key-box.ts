import { lengthPrefixed, type Secret } from '@keymesh/kernel';
import type { KeyMaterial } from './aes-gcm.js';
import { openBox, sealBox } from './sealed-box.js';

const BINDING = lengthPrefixed('keymesh/v1/key-box');

/**
 * Seals a key under another key that is made for it alone: where a KMS wraps only a few bytes, it wraps that other key.
 * @param contentKey 32 random bytes; whoever keeps them binds them to their context. The caller keeps ownership, of `key` too.
 * @returns 93 bytes more than `key`.
 */
export const sealKey = (contentKey: KeyMaterial, key: Secret): Uint8Array =>
  sealBox(contentKey, BINDING, key);

/** @returns the key; the caller disposes it. @throws DECRYPTION_FAILED for every cause alike. */
export const openKey = (contentKey: KeyMaterial, sealed: Uint8Array): Secret<'unwrapped-key'> =>
  openBox(contentKey, BINDING, sealed, 'unwrapped-key');
