import {
  createHash,
  createSecretKey,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto';
import { concat, lengthPrefixed, Secret } from '@keymesh/kernel';
import { KEY_BYTES, keyObjectOf, NONCE_BYTES, openGcm, sealGcm, TAG_BYTES } from './aes-gcm.js';
import { closed } from './failures.js';

// An encrypted stream that is read and written in constant memory (ADR 0014), in the STREAM construction:
//   key commitment (32) ‖ chunk 0 ‖ chunk 1 ‖ …;  chunk = AES-256-GCM(64 KiB of plaintext, the last one any size) ‖ tag (16)
//   nonce = chunk number (11 bytes, big endian) ‖ 1 for the last chunk, else 0
//   HKDF-SHA-512(file key, salt = none, info = kind, SHA-256 of the header, 64) = encryption key (32) ‖ key commitment (32)
// SOURCE: Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance, section 7.
/** Plaintext bytes of every chunk but the last. */
export const BACKUP_CHUNK_BYTES = 65_536;
const SEALED_CHUNK_BYTES = BACKUP_CHUNK_BYTES + TAG_BYTES;
const COMMITMENT_BYTES = 32;
const KIND = 'keymesh/v1/backup-stream';
const NO_AAD = new Uint8Array();

/** A random key for one backup and never another. The caller disposes it. */
export const makeBackupKey = (): Secret<'backup-key'> =>
  new Secret(new Uint8Array(randomBytes(KEY_BYTES)), 'backup-key');

/**
 * Seals a stream under a key of its own. Order, number and end of the chunks are authenticated, and the header with them.
 * @param fileKey 32 bytes, fresh for this stream; the caller keeps ownership, at least until the last byte was read.
 * @param header what stands in front of the stream in the clear.
 * @param plaintext pieces of any size; each may be reused by its maker once the next one is asked for.
 * @throws DECRYPTION_FAILED when the key is not 32 bytes.
 */
export async function* sealBackupStream(
  fileKey: Secret,
  header: Uint8Array,
  plaintext: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { key, commitment } = deriveStreamKeys(fileKey, header);
  yield commitment;
  let number = 0;
  let waiting: Uint8Array | undefined;
  // A full chunk is the last one only if nothing follows, which the next one tells.
  for await (const chunk of chunksOf(plaintext, BACKUP_CHUNK_BYTES)) {
    if (waiting !== undefined) yield sealChunk(key, number++, false, waiting);
    waiting = chunk;
  }
  yield sealChunk(key, number, true, waiting ?? new Uint8Array());
}

/**
 * Opens what {@link sealBackupStream} sealed, chunk by chunk: each piece is authentic when it is given out, the whole is complete when the
 * iteration ends without a throw. Whoever acts on it before the end must be able to undo that.
 * @param sealed pieces of any size.
 * @throws DECRYPTION_FAILED for every cause alike: a flipped bit, a chunk cut off, added, doubled or moved, another header or key.
 */
export async function* openBackupStream(
  fileKey: Secret,
  header: Uint8Array,
  sealed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { key, commitment } = deriveStreamKeys(fileKey, header);
  const pieces = sealed[Symbol.asyncIterator]();
  const { head, rest } = await takeHead(pieces, COMMITMENT_BYTES);
  if (!timingSafeEqual(head, commitment)) throw closed();
  let number = 0;
  let waiting: Uint8Array | undefined;
  for await (const chunk of chunksOf(rest, SEALED_CHUNK_BYTES)) {
    if (waiting !== undefined) yield openChunk(key, number++, false, waiting);
    waiting = chunk;
  }
  if (waiting === undefined) throw closed();
  const last = openChunk(key, number, true, waiting);
  // INVARIANT: one plaintext has one form: an empty chunk stands only for an empty stream.
  if (last.length === 0 && number > 0) throw closed();
  if (last.length > 0) yield last;
}

const sealChunk = (key: KeyObject, number: number, isLast: boolean, chunk: Uint8Array): Uint8Array =>
  sealGcm(key, nonceOf(number, isLast), NO_AAD, chunk);

const openChunk = (key: KeyObject, number: number, isLast: boolean, chunk: Uint8Array): Uint8Array =>
  openGcm(key, nonceOf(number, isLast), NO_AAD, chunk);

function nonceOf(number: number, isLast: boolean): Uint8Array {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64BE(BigInt(number), NONCE_BYTES - 1 - 8);
  nonce[NONCE_BYTES - 1] = isLast ? 1 : 0;
  return nonce;
}

function deriveStreamKeys(fileKey: Secret, header: Uint8Array): { key: KeyObject; commitment: Uint8Array } {
  const info = lengthPrefixed(KIND, createHash('sha256').update(header).digest());
  // The file key is random and used for this alone, so that HKDF needs no salt (RFC 5869 section 3.1).
  const derived = new Uint8Array(
    hkdfSync('sha512', keyObjectOf(fileKey), new Uint8Array(), info, KEY_BYTES + COMMITMENT_BYTES),
  );
  const commitment = derived.slice(KEY_BYTES);
  const key = createSecretKey(derived.subarray(0, KEY_BYTES));
  derived.fill(0);
  return { key, commitment };
}

/** Cuts pieces of any size into chunks of `size`, the last one shorter. Each chunk is fresh memory. */
async function* chunksOf(pieces: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let chunk = new Uint8Array(size);
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + size - filled);
      chunk.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < size) continue;
      yield chunk;
      chunk = new Uint8Array(size);
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** The first `size` bytes, and what follows them. @throws DECRYPTION_FAILED when there are fewer. */
async function takeHead(
  pieces: AsyncIterator<Uint8Array>,
  size: number,
): Promise<{ head: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  let seen: Uint8Array = new Uint8Array();
  while (seen.length < size) {
    const next = await pieces.next();
    if (next.done === true) throw closed();
    seen = concat(seen, next.value);
  }
  const rest = async function* (): AsyncGenerator<Uint8Array> {
    yield seen.subarray(size);
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value;
  };
  return { head: seen.slice(0, size), rest: rest() };
}
