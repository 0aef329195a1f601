import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

// A Bloom filter over lower-cased common passwords. File: "KMBF" ‖ u8 version = 1 ‖ u8 hashes ‖ u32 entries ‖ u32 bits ‖ the bits
// (big endian; bit n is bit n mod 8, from the lowest, of byte n div 8). Made by scripts/generate.mjs from a list of which
// docs/adr/0010 names source and licence. Positions: SHA-256 of the entry as u64 a, u64 b; (a + i·b) mod bits (Kirsch and Mitzenmacher 2006).
const MAGIC = Buffer.from('KMBF');
const HEADER_BYTES = 14;

/** Whether a value is on the list. One in 20,000 others is taken for it too. */
export type IsCommon = (value: Uint8Array) => boolean;

/** 20.6 bits an entry and 14 hashes: a false positive rate of 1 in 20,000. */
export const BLOOM_BITS_PER_ENTRY = 20.6;
export const BLOOM_HASHES = 14;

/** @throws Error when the file is not whole: it is part of the program. */
export function readCommonPasswords(
  file: Uint8Array = readFileSync(new URL('../../../data/common-passwords.bloom', import.meta.url)),
): IsCommon {
  const header = new DataView(file.buffer, file.byteOffset, HEADER_BYTES);
  const hashes = header.getUint8(5);
  const bitCount = header.getUint32(10);
  const bits = file.subarray(HEADER_BYTES);
  if (
    !MAGIC.equals(file.subarray(0, 4)) ||
    header.getUint8(4) !== 1 ||
    bits.length !== Math.ceil(bitCount / 8)
  )
    throw new Error('the list of common passwords is damaged: install Keymesh again');
  return (value) =>
    positionsOf(value, hashes, bitCount).every((at) => ((bits[at >>> 3] ?? 0) >>> (at & 7)) % 2 === 1);
}

/** Writes the filter of a list; duplicates do not matter. Deterministic. */
export function writeCommonPasswords(entries: readonly string[]): Uint8Array {
  const bitCount = Math.ceil(entries.length * BLOOM_BITS_PER_ENTRY);
  const file = new Uint8Array(HEADER_BYTES + Math.ceil(bitCount / 8));
  const header = new DataView(file.buffer);
  file.set(MAGIC);
  header.setUint8(4, 1);
  header.setUint8(5, BLOOM_HASHES);
  header.setUint32(6, entries.length);
  header.setUint32(10, bitCount);
  for (const entry of entries) {
    for (const at of positionsOf(Buffer.from(entry), BLOOM_HASHES, bitCount))
      file[HEADER_BYTES + (at >>> 3)] = (file[HEADER_BYTES + (at >>> 3)] ?? 0) | (1 << (at & 7));
  }
  return file;
}

function positionsOf(value: Uint8Array, hashes: number, bitCount: number): number[] {
  const lower = Uint8Array.from(value, (byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte));
  const digest = createHash('sha256').update(lower).digest();
  lower.fill(0);
  const [start, step] = [digest.readBigUInt64BE(0), digest.readBigUInt64BE(8)];
  return Array.from({ length: hashes }, (_, at) => Number((start + BigInt(at) * step) % BigInt(bitCount)));
}
