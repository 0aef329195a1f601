import { sign, verify } from 'node:crypto';
import { Secret, signingKeyOf, toBase64Url, verifyingKeyOf } from '@keymesh/kernel';

// NATS' own keys (nkeys) over node's Ed25519, which takes microseconds where the JavaScript one of the nkeys package takes milliseconds.
// SOURCE: github.com/nats-io/nkeys, `strkey.go`: base32 of prefix byte(s), 32 key bytes, CRC-16/XMODEM (little endian).
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const SEED_PREFIX = 18 << 3;
const USER_PREFIX = 20 << 3;
const KEY_BYTES = 32;
const CRC_BYTES = 2;

/** An nkey that can sign. The seed is not kept. */
export interface NkeyPair {
  /** `U…` of a user, `A…` of an account. */
  readonly publicKey: string;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/**
 * Reads a seed in its text form (`SU…`, `SA…`) as bytes; the caller keeps ownership and may dispose it.
 * @throws Error unless it is a well-formed seed; never repeats it.
 */
export function nkeyPairOf(seed: Secret): NkeyPair {
  // EXPOSE: the text form has to be decoded; the decoded bytes are zeroed below.
  const decoded = decode(seed.expose());
  if (decoded?.length !== KEY_BYTES + 2 || ((decoded[0] ?? 0) & 248) !== SEED_PREFIX)
    throw new Error('not an nkey seed');
  const type = (((decoded[0] ?? 0) & 7) << 5) | (((decoded[1] ?? 0) & 248) >> 3);
  using raw = new Secret(decoded.subarray(2), 'nkey-raw-seed');
  const key = signingKeyOf(raw);
  const publicBytes = Buffer.from(key.publicKeyText, 'base64url');
  return {
    publicKey: encode(Uint8Array.of(type, ...publicBytes)),
    sign: (message) => new Uint8Array(sign(null, message, key.privateKey)),
  };
}

/** @returns whether the user with this public nkey (`U…`) signed the message. Never throws. */
export function isSignedByNkey(publicNkey: string, message: Uint8Array, signature: Uint8Array): boolean {
  const decoded = decode(new TextEncoder().encode(publicNkey));
  if (decoded?.length !== KEY_BYTES + 1 || decoded[0] !== USER_PREFIX || signature.length !== 64)
    return false;
  const key = verifyingKeyOf(toBase64Url(decoded.subarray(1)));
  return key !== undefined && verify(null, message, key, signature);
}

/** @returns the bytes before the checksum, or undefined when characters or checksum do not fit. */
function decode(text: Uint8Array): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let bits = 0;
  let value = 0;
  let at = 0;
  for (const character of text) {
    const index = ALPHABET.indexOf(String.fromCharCode(character));
    if (index < 0) return undefined;
    value = ((value << 5) | index) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (value >> bits) & 0xff;
    }
  }
  const end = bytes.length - CRC_BYTES;
  if (end < 1) return undefined;
  const crc = crc16(bytes.subarray(0, end));
  return bytes[end] === (crc & 0xff) && bytes[end + 1] === crc >> 8 ? bytes.subarray(0, end) : undefined;
}

function encode(bytes: Uint8Array): string {
  const crc = crc16(bytes);
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of [...bytes, crc & 0xff, crc >> 8]) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >> bits) & 31] ?? '';
    }
  }
  return bits > 0 ? text + (ALPHABET[(value << (5 - bits)) & 31] ?? '') : text;
}

function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1)
      crc = (crc & 0x8000) === 0 ? crc << 1 : ((crc << 1) ^ 0x1021) & 0xffff;
  }
  return crc & 0xffff;
}
