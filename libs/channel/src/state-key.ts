import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, type KeyObject } from 'node:crypto';
import { concat, KeymeshError, lengthPrefixed, utf8, type Secret } from '@keymesh/kernel';
import { KEY_BYTES, NONCE_BYTES, SALT_BYTES, TAG_BYTES } from './limits.js';
import { intoKey } from './suite.js';

const VERSION = 1;
const FORMAT = 'keymesh/v1/state';
const INFO = utf8(FORMAT);
const HEADER_BYTES = 1 + SALT_BYTES + NONCE_BYTES;

/**
 * Seals what a service keeps at rest under its state key (its channel private keys).
 * @param stateKey 32 bytes. @param context what this is, e.g. `channel-key/vault`; authenticated, so a moved row does not open.
 * @param bytes copied; the caller zeroes its own.
 * @returns version, 32 salt bytes, 12 nonce bytes, ciphertext, 16 tag bytes (docs/reference/channel.md).
 */
export function sealWithStateKey(stateKey: Secret, context: string, bytes: Uint8Array): Uint8Array {
  const header = concat(Uint8Array.of(VERSION), randomBytes(SALT_BYTES), randomBytes(NONCE_BYTES));
  const { key, nonce } = readHeader(stateKey, header);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(lengthPrefixed(FORMAT, context));
  return concat(header, cipher.update(bytes), cipher.final(), cipher.getAuthTag());
}

/** @returns fresh bytes, which the caller zeroes. @throws DECRYPTION_FAILED for every cause alike. */
export function openWithStateKey(stateKey: Secret, context: string, sealed: Uint8Array): Uint8Array {
  if (sealed[0] !== VERSION || sealed.length < HEADER_BYTES + TAG_BYTES) throw closed();
  const { key, nonce } = readHeader(stateKey, sealed.subarray(0, HEADER_BYTES));
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(lengthPrefixed(FORMAT, context));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  const plaintext = decipher.update(sealed.subarray(HEADER_BYTES, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    throw closed();
  }
  return plaintext;
}

const closed = (): KeymeshError => new KeymeshError('DECRYPTION_FAILED');

function readHeader(stateKey: Secret, header: Uint8Array): { key: KeyObject; nonce: Uint8Array } {
  const salt = header.subarray(1, 1 + SALT_BYTES);
  // EXPOSE: the key derivation needs the raw state key; what it derives becomes a KeyObject and is zeroed.
  const key = intoKey(new Uint8Array(hkdfSync('sha256', stateKey.expose(), salt, INFO, KEY_BYTES)));
  return { key, nonce: header.subarray(1 + SALT_BYTES) };
}
