import { decodeParts, encodeParts, type ValueParts } from '@keymesh/crypto';
import { MAX_VALUE_BYTES, failure } from '@keymesh/contracts';
import type { Secret } from '@keymesh/kernel';

/** A credential's value: its parts by name, e.g. `username` and `password`. */
export type Values = ValueParts;

/** Sum of the parts' sizes in bytes. */
export const sizeOfValues = (values: Values): number =>
  Object.values(values).reduce((size, part) => size + part.sizeBytes, 0);

/** Zeroes every part. Idempotent. */
export function disposeValues(values: Values): void {
  for (const part of Object.values(values)) part.dispose();
}

/**
 * The plaintext of a version. @param values the caller keeps ownership. @param compress where the type says so.
 * @returns what the caller disposes. @throws PAYLOAD_TOO_LARGE above 64 KiB of values.
 */
export function encodeValues(values: Values, { compress }: { readonly compress?: boolean } = {}): Secret {
  if (sizeOfValues(values) > MAX_VALUE_BYTES) {
    throw failure('PAYLOAD_TOO_LARGE', { publicMessage: 'The value is larger than 64 KiB. Store less.' });
  }
  return encodeParts(values, { compress: compress ?? false });
}

/**
 * Reads the parts back: copies, and the only ones. The caller disposes them, and the plaintext.
 * @throws DECRYPTION_FAILED
 */
export const decodeValues = (plaintext: Secret): Values => decodeParts(plaintext);
