import { createHash, timingSafeEqual } from 'node:crypto';
import { concat, lengthPrefixed, utf8 } from '@keymesh/kernel';

// `prefix` ‖ base32(payload ‖ checksum), for bytes that people write down and type in. Bytes throughout, never a string: a string of a
// share could not be wiped.

// SOURCE: BIP 173, the letters of bech32: none that is easily taken for another.
const ALPHABET = utf8('qpzry9x8gf2tvdw0s3jn54khce6mua7l');
const CHECKSUM_BYTES = 5;
const HYPHEN = 0x2d;
const GROUP_CHARS = 8;
/** Payload and checksum fill whole groups of eight characters (5 bytes), so that nothing is padded. */
const GROUP_BYTES = 5;

/** @returns ASCII without a line end, in groups of eight between hyphens; the caller wipes it. */
export function encodeText(prefix: string, payload: Uint8Array): Uint8Array {
  const whole = concat(payload, checksumOf(prefix, payload));
  if (whole.length % GROUP_BYTES !== 0) throw new Error('a payload that does not fill whole groups');
  const groups: Uint8Array[] = [utf8(prefix)];
  for (let at = 0; at < whole.length; at += GROUP_BYTES)
    groups.push(Uint8Array.of(HYPHEN), encodeGroup(whole.subarray(at, at + GROUP_BYTES)));
  whole.fill(0);
  const text = concat(...groups);
  for (const group of groups) group.fill(0);
  return text;
}

/**
 * Takes what a person typed: any case, hyphens and white space anywhere after the prefix.
 * @returns the payload, which the caller wipes; undefined for another prefix, size or a checksum that does not hold.
 */
export function decodeText(prefix: string, text: Uint8Array, payloadBytes: number): Uint8Array | undefined {
  const chars = text.filter((char) => !isSpace(char)).map(toLower);
  const body = chars.subarray(prefix.length).filter((char) => char !== HYPHEN);
  const whole = startsWith(chars, utf8(prefix)) ? decodeGroups(body) : undefined;
  chars.fill(0);
  body.fill(0);
  if (whole?.length !== payloadBytes + CHECKSUM_BYTES) {
    whole?.fill(0);
    return undefined;
  }
  const payload = whole.slice(0, payloadBytes);
  const holds = timingSafeEqual(checksumOf(prefix, payload), whole.subarray(payloadBytes));
  whole.fill(0);
  if (holds) return payload;
  payload.fill(0);
  return undefined;
}

/** Five bytes: a mistyped text passes once in 2^40. */
const checksumOf = (prefix: string, payload: Uint8Array): Uint8Array =>
  createHash('sha256')
    .update(lengthPrefixed('keymesh/v1/text-form', prefix, payload))
    .digest()
    .subarray(0, CHECKSUM_BYTES);

function encodeGroup(bytes: Uint8Array): Uint8Array {
  let bits = bytes.reduce((all, byte) => all * 256n + BigInt(byte), 0n);
  const chars = new Uint8Array(GROUP_CHARS);
  for (let at = GROUP_CHARS - 1; at >= 0; at -= 1) {
    chars[at] = ALPHABET[Number(bits % 32n)] ?? 0;
    bits /= 32n;
  }
  return chars;
}

function decodeGroups(chars: Uint8Array): Uint8Array | undefined {
  if (chars.length % GROUP_CHARS !== 0) return undefined;
  const bytes = new Uint8Array((chars.length / GROUP_CHARS) * GROUP_BYTES);
  for (let group = 0; group * GROUP_CHARS < chars.length; group += 1) {
    const values = [...chars.subarray(group * GROUP_CHARS, (group + 1) * GROUP_CHARS)].map((char) =>
      ALPHABET.indexOf(char),
    );
    if (values.includes(-1)) return undefined;
    let bits = values.reduce((all, value) => all * 32n + BigInt(value), 0n);
    for (let at = GROUP_BYTES - 1; at >= 0; at -= 1) {
      bytes[group * GROUP_BYTES + at] = Number(bits % 256n);
      bits /= 256n;
    }
  }
  return bytes;
}

const isSpace = (char: number): boolean => char === 0x20 || (char >= 0x09 && char <= 0x0d);
const toLower = (char: number): number => (char >= 0x41 && char <= 0x5a ? char + 32 : char);
const startsWith = (text: Uint8Array, prefix: Uint8Array): boolean =>
  text.length > prefix.length &&
  prefix.every((char, at) => text[at] === char) &&
  text[prefix.length] === HYPHEN;
