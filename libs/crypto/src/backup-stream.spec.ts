import { describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import type { Secret } from '@keymesh/kernel';
import { refusalAsync, secretOf } from '../test/support.js';
import { BACKUP_CHUNK_BYTES, makeBackupKey, openBackupStream, sealBackupStream } from './backup-stream.js';

const header = Buffer.from('{"v":1}');
const SEALED = BACKUP_CHUNK_BYTES + 16;

const inPieces = (bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })(),
  );

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

const seal = (key: Secret, plaintext: Uint8Array, pieceSize = 10_000): Promise<Buffer> =>
  collect(sealBackupStream(key, header, inPieces(plaintext, pieceSize)));
const open = (
  key: Secret,
  sealed: Uint8Array,
  pieceSize = 9_999,
  head: Uint8Array = header,
): Promise<Buffer> => collect(openBackupStream(key, head, inPieces(sealed, pieceSize)));

/** The commitment, then the sealed chunks. */
const partsOf = (sealed: Buffer): Buffer[] => {
  const parts = [sealed.subarray(0, 32)];
  for (let at = 32; at < sealed.length; at += SEALED) parts.push(sealed.subarray(at, at + SEALED));
  return parts;
};

describe('backup stream', () => {
  const key = makeBackupKey();

  test('opens to what was sealed, whatever the size and however it comes in pieces', async () => {
    const sizes = fc.oneof(
      fc.constantFrom(
        0,
        1,
        BACKUP_CHUNK_BYTES - 1,
        BACKUP_CHUNK_BYTES,
        BACKUP_CHUNK_BYTES + 1,
        3 * BACKUP_CHUNK_BYTES,
      ),
      fc.integer({ min: 0, max: 300_000 }),
    );
    const pieces = fc.integer({ min: 700, max: 200_000 });
    await fc.assert(
      fc.asyncProperty(sizes, pieces, pieces, async (size, writing, reading) => {
        const plaintext = randomBytes(size);
        expect(await open(key, await seal(key, plaintext, writing), reading)).toEqual(plaintext);
      }),
      { numRuns: 25 },
    );
  });

  test('adds 32 bytes and 16 for each chunk of 64 KiB', async () => {
    for (const [size, chunks] of [
      [0, 1],
      [BACKUP_CHUNK_BYTES, 1],
      [BACKUP_CHUNK_BYTES + 1, 2],
    ] as const)
      expect((await seal(key, randomBytes(size))).length).toBe(size + 32 + 16 * chunks);
  });

  test('refuses every byte flipped of a small stream, and bits all over a large one', async () => {
    const small = await seal(key, randomBytes(40));
    for (let at = 0; at < small.length; at += 1) {
      const changed = Buffer.from(small);
      changed[at]! ^= 1 << (at % 8);
      expect(await refusalAsync(open(key, changed))).toBe('DECRYPTION_FAILED');
    }
    const large = await seal(key, randomBytes(3 * BACKUP_CHUNK_BYTES + 77));
    for (let at = 0; at < large.length; at += 4_999) {
      const changed = Buffer.from(large);
      changed[at]! ^= 0x80;
      expect(await refusalAsync(open(key, changed))).toBe('DECRYPTION_FAILED');
    }
  });

  test('refuses a stream that is cut off anywhere, also between two chunks', async () => {
    const sealed = await seal(key, randomBytes(2 * BACKUP_CHUNK_BYTES + 5));
    for (const length of [
      0,
      1,
      31,
      32,
      33,
      47,
      32 + SEALED - 1,
      32 + SEALED,
      32 + SEALED + 1,
      32 + 2 * SEALED,
      sealed.length - 1,
    ])
      expect(await refusalAsync(open(key, sealed.subarray(0, length)))).toBe('DECRYPTION_FAILED');
    // A stream that ends with a full chunk: there the end of the file is the end of a chunk.
    const full = await seal(key, randomBytes(2 * BACKUP_CHUNK_BYTES));
    expect(await refusalAsync(open(key, full.subarray(0, 32 + SEALED)))).toBe('DECRYPTION_FAILED');
  });

  test('refuses chunks that were added, doubled, left out or moved', async () => {
    const sealed = await seal(key, randomBytes(3 * BACKUP_CHUNK_BYTES + 9));
    const [head, a, b, c, last] = partsOf(sealed) as [Buffer, Buffer, Buffer, Buffer, Buffer];
    const another = partsOf(await seal(makeBackupKey(), randomBytes(3 * BACKUP_CHUNK_BYTES)));
    for (const parts of [
      [head, a, b, c, last, last],
      [head, a, b, c, last, Buffer.of(0)],
      [head, a, b, c, last, randomBytes(SEALED)],
      [head, a, a, b, c, last],
      [head, a, c, last],
      [head, b, a, c, last],
      [head, a, b, last],
      [head, last],
      [head, ...another.slice(1, 3), c, last],
    ])
      if (!Buffer.concat(parts).equals(sealed))
        expect(await refusalAsync(open(key, Buffer.concat(parts)))).toBe('DECRYPTION_FAILED');
  });

  test('opens under no other key and no other header', async () => {
    const sealed = await seal(key, randomBytes(100));
    expect(await refusalAsync(open(makeBackupKey(), sealed))).toBe('DECRYPTION_FAILED');
    expect(await refusalAsync(open(key, sealed, 50, Buffer.from('{"v":2}')))).toBe('DECRYPTION_FAILED');
    expect(await refusalAsync(open(secretOf(randomBytes(31)), sealed))).toBe('DECRYPTION_FAILED');
  });

  test('holds a few chunks at a time, however long the stream', async () => {
    const chunks = 400;
    const plaintext = Readable.from(
      (function* () {
        for (let at = 0; at < chunks; at += 1) yield Buffer.alloc(BACKUP_CHUNK_BYTES, at);
      })(),
    );
    let asked = 0;
    let largest = 0;
    for await (const piece of openBackupStream(key, header, sealBackupStream(key, header, plaintext))) {
      asked += piece.length;
      largest = Math.max(largest, piece.length);
    }
    expect(asked).toBe(chunks * BACKUP_CHUNK_BYTES);
    expect(largest).toBe(BACKUP_CHUNK_BYTES);
  });
});
