import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { lengthPrefixed, toHex, utf8, type Secret } from '@keymesh/kernel';
import { keyObjectOf, type KeyMaterial } from './aes-gcm.js';
import { closed } from './failures.js';

/** A column. Times and big numbers as text or integer milliseconds: what comes back from the database must encode the same. */
export type RowValue = string | number | boolean | null | Uint8Array | readonly string[];

/**
 * HMAC-SHA-256 over the columns of a row that policy or stage reads, by name. Which names stand in `fields` is covered as well, their
 * order does not matter; include the table's name as a field.
 * @returns 32 bytes. @throws DECRYPTION_FAILED for a number that is not an integer.
 */
export function macRow(key: KeyMaterial, fields: Readonly<Record<string, RowValue>>): Uint8Array {
  const encoded = Object.keys(fields)
    .sort()
    .flatMap((name) => [name, encodeColumn(fields[name] ?? null)]);
  return hmac(key, lengthPrefixed('keymesh/v1/row', ...encoded));
}

/** Whether the row is as it was when `mac` was made. Constant time. Never throws for a damaged `mac`. */
export function verifyRow(
  key: KeyMaterial,
  fields: Readonly<Record<string, RowValue>>,
  mac: Uint8Array,
): boolean {
  const expected = macRow(key, fields);
  return expected.length === mac.length && timingSafeEqual(expected, mac);
}

// A letter for the type, so that null, 'null', '' and [] all differ.
function encodeColumn(value: RowValue): Uint8Array {
  if (value === null) return utf8('n');
  if (typeof value === 'string') return utf8(`s${value}`);
  if (typeof value === 'boolean') return utf8(`b${value}`);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw closed();
    return utf8(`i${value}`);
  }
  if (value instanceof Uint8Array) return Buffer.concat([utf8('x'), value]);
  return Buffer.concat([utf8('l'), lengthPrefixed(...value)]);
}

/**
 * Keyed fingerprint of a value: equal for equal values under one key, says nothing without the key. For finding reuse; it is
 * destroyed with the version.
 * @returns 64 hex characters.
 */
export const fingerprint = (key: KeyMaterial, value: Secret): string =>
  // EXPOSE: straight into the HMAC; the length-prefixed copy is zeroed by hmac.
  toHex(hmac(key, lengthPrefixed('keymesh/v1/fingerprint', value.expose())));

/**
 * Commits to a name in an audit record: the record proves nothing about the name once the salt is erased.
 * @param salt 16 bytes or more, random for each record. @returns SHA-256 over length-prefixed salt and name, hex.
 */
export const commitName = (salt: Uint8Array, name: string): string =>
  hash('sha256', lengthPrefixed(salt, name), 'hex');

function hmac(key: KeyMaterial, message: Uint8Array): Uint8Array {
  const mac = createHmac('sha256', keyObjectOf(key)).update(message).digest();
  message.fill(0);
  return mac;
}
