import { randomBytes } from 'node:crypto';
import { Secret } from '@keymesh/kernel';
import { KEY_BYTES } from './aes-gcm.js';
import { bindWrappingKey } from './binding.js';
import { closed } from './failures.js';
import { openBox, sealBox } from './sealed-box.js';

/** A random key between a root key and a KEK: one or more KMS wrap it, and it seals the key that matters. The caller disposes it. */
export const makeWrappingKey = (): Secret<'wrapping-key'> =>
  new Secret(new Uint8Array(randomBytes(KEY_BYTES)), 'wrapping-key');

/**
 * Splits a key into parts of which every one is needed: all but the last are random, the last is the key XOR the others.
 * @param key 32 bytes; the caller keeps ownership. @param parts at least 1. @returns 32 bytes each; the caller disposes them.
 */
export function splitKey(key: Secret, parts: number): Secret<'key-part'>[] {
  if (key.sizeBytes !== KEY_BYTES || parts < 1) throw closed();
  const random = Array.from({ length: parts - 1 }, () => new Uint8Array(randomBytes(KEY_BYTES)));
  // EXPOSE: into one part of several, which says nothing without the others.
  const last = xor([key.expose(), ...random]);
  return [...random, last].map((part) => new Secret(part, 'key-part'));
}

/** @param parts all of them, in any order; the caller keeps ownership. @throws DECRYPTION_FAILED for a part that is not 32 bytes. */
export function joinKey(parts: readonly Secret[]): Secret<'wrapping-key'> {
  if (parts.length === 0 || parts.some(({ sizeBytes }) => sizeBytes !== KEY_BYTES)) throw closed();
  // EXPOSE: into the key, in a Secret of its own.
  return new Secret(xor(parts.map((part) => part.expose())), 'wrapping-key');
}

/**
 * Seals a key under a wrapping key.
 * @param header what stands before the box, e.g. the wrapped forms of the wrapping key; authenticated, so that nothing of it can be changed.
 * @param context what the key is for; authenticated. @param key the caller keeps ownership, of the wrapping key too.
 */
export const sealUnderWrappingKey = (wrap: {
  readonly wrappingKey: Secret;
  readonly header: Uint8Array;
  readonly context: string;
  readonly key: Secret;
}): Uint8Array => sealBox(wrap.wrappingKey, bindWrappingKey(wrap.header, wrap.context), wrap.key);

/**
 * Opens what {@link sealUnderWrappingKey} sealed. The box commits to its key: a KMS that gives another key than it was given is caught here.
 * @returns the key; the caller disposes it. @throws DECRYPTION_FAILED for every cause alike.
 */
export const openUnderWrappingKey = (wrap: {
  readonly wrappingKey: Secret;
  readonly header: Uint8Array;
  readonly context: string;
  readonly box: Uint8Array;
}): Secret<'unwrapped-key'> =>
  openBox(wrap.wrappingKey, bindWrappingKey(wrap.header, wrap.context), wrap.box, 'unwrapped-key');

function xor(parts: readonly Uint8Array[]): Uint8Array {
  const sum = new Uint8Array(KEY_BYTES);
  for (const part of parts) part.forEach((byte, at) => (sum[at] = (sum[at] ?? 0) ^ byte));
  return sum;
}
