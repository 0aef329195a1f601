import { createHash, timingSafeEqual } from 'node:crypto';
import { failure } from '@keymesh/contracts';
import { concat, lengthPrefixed, Secret } from '@keymesh/kernel';
import canonicalize from 'canonicalize';
import type { WrapContext } from './kms.js';

/** What binding adds to a key's size, bytes. */
export const BOUND_OVERHEAD_BYTES = 32;

/** A context as one text, whatever order its fields come in (RFC 8785). */
export const textOfContext = (context: WrapContext): string => canonicalize(context) ?? '';

/**
 * Puts the context inside what is to be wrapped, for a KMS that authenticates none: SHA-256 of the context (32 bytes) ‖ key.
 * A hash, because some KMS wrap 190 bytes at most; and 32 bytes, because others wrap multiples of eight only.
 * @param plain the caller keeps ownership. @returns 32 bytes more, which the caller disposes.
 */
export function bindContext(plain: Secret, context: WrapContext): Secret<'bound-key'> {
  // EXPOSE: copied into a Secret of its own.
  return new Secret(concat(digestOf(context), plain.expose()), 'bound-key');
}

/**
 * Takes the key out again, after comparing the context in constant time.
 * @param bound what was unwrapped; the caller keeps ownership. @returns the key, which the caller disposes.
 * @throws DECRYPTION_FAILED when it was bound to another context, or is too short to be bound to any.
 */
export function openBound(bound: Secret, context: WrapContext): Secret<'unwrapped-key'> {
  // EXPOSE: the context is compared, the key is copied into a Secret of its own.
  const bytes = bound.expose();
  const found = bytes.subarray(0, BOUND_OVERHEAD_BYTES);
  if (found.length !== BOUND_OVERHEAD_BYTES || !timingSafeEqual(found, digestOf(context)))
    throw failure('DECRYPTION_FAILED');
  return new Secret(bytes.slice(BOUND_OVERHEAD_BYTES), 'unwrapped-key');
}

const digestOf = (context: WrapContext): Uint8Array =>
  createHash('sha256')
    .update(lengthPrefixed('keymesh/v1/bound-context', textOfContext(context)))
    .digest();
