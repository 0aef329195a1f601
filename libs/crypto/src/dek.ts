import { randomBytes } from 'node:crypto';
import { Secret } from '@keymesh/kernel';
import { KEY_BYTES, type KeyMaterial } from './aes-gcm.js';
import { bindDek, type DekBinding } from './binding.js';
import { closed } from './failures.js';
import { openBox, sealBox } from './sealed-box.js';

/** A random data key, for one credential version and never another. The caller disposes it. */
export const makeDek = (): Secret<'dek'> => new Secret(new Uint8Array(randomBytes(KEY_BYTES)), 'dek');

/** A random key-encryption key of a namespace. The caller disposes it. */
export const makeKek = (): Secret<'kek'> => new Secret(new Uint8Array(randomBytes(KEY_BYTES)), 'kek');

/**
 * Wraps a DEK under a version of a KEK.
 * @param dek 32 bytes; the caller keeps ownership, of the KEK too.
 * @returns 125 bytes (ADR 0002).
 */
export function wrapDek(wrap: {
  readonly kek: KeyMaterial;
  readonly dek: Secret;
  readonly binding: DekBinding;
}): Uint8Array {
  if (wrap.dek.sizeBytes !== KEY_BYTES) throw closed();
  return sealBox(wrap.kek, bindDek(wrap.binding), wrap.dek);
}

/** @returns the DEK; the caller disposes it. @throws DECRYPTION_FAILED for every cause alike. */
export function unwrapDek(wrap: {
  readonly kek: KeyMaterial;
  readonly wrapped: Uint8Array;
  readonly binding: DekBinding;
}): Secret<'dek'> {
  const dek = openBox(wrap.kek, bindDek(wrap.binding), wrap.wrapped, 'dek');
  if (dek.sizeBytes === KEY_BYTES) return dek;
  dek.dispose();
  throw closed();
}
