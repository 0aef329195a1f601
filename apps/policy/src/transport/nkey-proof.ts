import { verify } from 'node:crypto';
import { fromBase64Url, toBase64Url, utf8, verifyingKeyOf } from '@keymesh/kernel';
import { fromPublic } from '@nats-io/nkeys';
import type { ConnectionAsk } from '../domain/admission.js';

// SOURCE: RFC 4648 section 6, without padding.
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** @returns the 32 raw bytes of an nkey's public text, or undefined when its form or checksum is wrong. */
export function rawNkey(text: string): Uint8Array | undefined {
  try {
    fromPublic(text); // checks alphabet, prefix and CRC-16
  } catch {
    return undefined;
  }
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const character of text) {
    held = ((held << 5) | ALPHABET.indexOf(character)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
  }
  return Uint8Array.from(bytes.slice(1, 33)); // prefix byte, key, checksum
}

/**
 * Whether the client's nkey signed the nonce that the server gave it: with an auth callout the server does not check.
 * Native Ed25519: the nkey library's own takes twenty times as long, and strangers make us do it.
 */
export function isNonceSigned({ nkey, signature, nonce }: ConnectionAsk): boolean {
  if (nkey === undefined || signature === undefined || nonce === undefined || nonce === '') return false;
  const raw = rawNkey(nkey);
  const key = raw === undefined ? undefined : verifyingKeyOf(toBase64Url(raw));
  // Some clients pad; the signature's bytes count.
  const bytes = fromBase64Url(signature.replace(/=+$/, ''));
  return key !== undefined && bytes?.length === 64 && verify(null, utf8(nonce), key, bytes);
}
