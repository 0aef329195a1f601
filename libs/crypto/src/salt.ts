import { randomFillSync } from 'node:crypto';

/** One call of the generator costs as much as a decryption, whatever its size. */
const POOL_BYTES = 4_096;
const pool = new Uint8Array(POOL_BYTES);
let at = POOL_BYTES;

/**
 * Random bytes that need not be secret for long (salts, nonces), taken from a pool; each is handed out once and is gone from it.
 * @param sizeBytes 1 to 64.
 * @throws RangeError for another size.
 */
export function makeSalt(sizeBytes: number): Uint8Array {
  if (!Number.isInteger(sizeBytes) || sizeBytes < 1 || sizeBytes > 64) throw new RangeError('1 to 64 bytes');
  if (at + sizeBytes > POOL_BYTES) {
    randomFillSync(pool);
    at = 0;
  }
  const salt = pool.slice(at, at + sizeBytes);
  pool.fill(0, at, at + sizeBytes);
  at += sizeBytes;
  return salt;
}
