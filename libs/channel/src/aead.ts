import { createCipheriv, createDecipheriv, hkdfSync, type KeyObject } from 'node:crypto';
import { utf8 } from '@keymesh/kernel';
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from './limits.js';
import { rejected } from './refusals.js';
import { intoKey } from './suite.js';

const ALGORITHM = 'aes-256-gcm';
const REPLY_KEY_INFO = utf8('keymesh/v1/channel/instance-reply-key');

/** The 12-byte nonce of a sequence: four zero bytes, then the sequence as 8 bytes big endian. */
export function nonceOf(sequence: number): Uint8Array {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUInt32BE(Math.floor(sequence / 2 ** 32), NONCE_BYTES - 8);
  nonce.writeUInt32BE(sequence >>> 0, NONCE_BYTES - 4);
  return nonce;
}

/**
 * Encrypts one message. The caller must never use a sequence twice with a key.
 * @returns ciphertext, then the 16-byte tag.
 */
export function seal(key: KeyObject, sequence: number, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(ALGORITHM, key, nonceOf(sequence), { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  const body = cipher.update(plaintext);
  return Buffer.concat([body, cipher.final(), cipher.getAuthTag()]);
}

/**
 * Decrypts one message into fresh bytes, which the caller may zero.
 * @throws CHANNEL_REJECTED for every cause alike.
 */
export function open(key: KeyObject, sequence: number, aad: Uint8Array, body: Uint8Array): Uint8Array {
  const size = body.length - TAG_BYTES;
  if (size < 0) throw rejected();
  // authTagLength: without it node takes a 4-byte tag as well.
  const decipher = createDecipheriv(ALGORITHM, key, nonceOf(sequence), { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(body.subarray(size));
  const plaintext = decipher.update(body.subarray(0, size));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    throw rejected();
  }
  return plaintext;
}

/** The reply key of one instance for one session. SOURCE: RFC 5869; the idea of RFC 9458 section 4.4. */
export const deriveReplyKey = (replyBase: KeyObject, salt: Uint8Array): KeyObject =>
  intoKey(new Uint8Array(hkdfSync('sha256', replyBase, salt, REPLY_KEY_INFO, KEY_BYTES)));
