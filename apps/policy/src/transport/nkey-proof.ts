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
 * Whether that nkey signed those bytes. Never throws. Native Ed25519, because strangers make us do it and the nkey library's own,
 * in JavaScript, takes a hundred times as long.
 */
export function isSignedBy(nkey: string, bytes: Uint8Array, signatureText: string): boolean {
  const raw = rawNkey(nkey);
  const key = raw === undefined ? undefined : verifyingKeyOf(toBase64Url(raw));
  const signature = fromBase64Url(inBase64Url(signatureText));
  return key !== undefined && signature?.length === 64 && verify(null, bytes, key, signature);
}

// Clients differ in the alphabet (nats.py: plain base64) and in padding, and a NATS server takes them all; the signature's bytes count.
const inBase64Url = (text: string): string =>
  text.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_');

/** Whether the client's nkey signed the nonce that the server gave it: with an auth callout the server does not check. */
export const isNonceSigned = ({ nkey, signature, nonce }: ConnectionAsk): boolean =>
  nkey !== undefined &&
  signature !== undefined &&
  nonce !== undefined &&
  nonce !== '' &&
  isSignedBy(nkey, utf8(nonce), signature);
