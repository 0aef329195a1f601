import { createHash } from 'node:crypto';
import { makeBackupKey, openBackupStream, sealBackupStream } from '@keymesh/crypto';
import { failure } from '@keymesh/contracts';
import { concat, KeymeshError, signFor, verifyFor, type Secret, type SigningKey } from '@keymesh/kernel';
import type { Kms } from '../kms/kms.js';
import { backupContext, decodeStart, encodeStart, notABackup, type BackupStart } from './header.js';

const SIGNATURE_BYTES = 64;

export interface SealPorts {
  readonly kms: Kms;
  readonly meshKey: SigningKey;
}

/**
 * Seals contents as a backup: start ‖ sealed stream ‖ signature of the mesh key over the SHA-256 of all before it. Constant memory.
 * @param contents what {@link file://./contents.ts} writes.
 * @throws KMS_UNAVAILABLE, or what `contents` throws
 */
export async function* sealBackup(
  { kms, meshKey }: SealPorts,
  { backupId, createdAt }: { readonly backupId: string; readonly createdAt: string },
  contents: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  using fileKey = makeBackupKey();
  const start = encodeStart({
    v: 1,
    backupId,
    createdAt,
    meshPublicKey: meshKey.publicKeyText,
    provider: kms.provider,
    providerKeyId: kms.keyId,
    wrappedKey: await kms.wrapKey(fileKey, backupContext(backupId)),
  });
  const hash = createHash('sha256').update(start);
  yield start;
  for await (const piece of sealBackupStream(fileKey, start, contents)) {
    hash.update(piece);
    yield piece;
  }
  yield signFor('keymesh/v1/backup', hash.digest(), meshKey);
}

/** A backup that has begun to open. */
export interface OpenedBackup extends BackupStart {
  /**
   * Read it to its end once: that it ends without a throw says that the backup is whole and signed. What is done with it before must be
   * undone if it throws. @throws BACKUP_INVALID
   */
  readonly contents: AsyncIterable<Uint8Array>;
}

/**
 * Opens a backup.
 * @throws BACKUP_INVALID when it is none, or this KMS does not unwrap its key; KMS_UNAVAILABLE
 */
export async function openBackup(
  kms: Pick<Kms, 'unwrapKey'>,
  bytes: AsyncIterable<Uint8Array>,
): Promise<OpenedBackup> {
  const { start, rest } = await readStart(bytes);
  const { backupId, wrappedKey } = start.header;
  const fileKey = await kms.unwrapKey(wrappedKey, backupContext(backupId)).catch((error: unknown) => {
    throw isClosed(error)
      ? failure('BACKUP_INVALID', {
          publicMessage:
            'The key of this backup does not unwrap: it was made under another KMS key, master key file or passphrase, or its start was changed.',
        })
      : error;
  });
  return { ...start, contents: openContents(fileKey, start, rest) };
}

async function* openContents(
  fileKey: Secret,
  { header, bytes: start }: BackupStart,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  using key = fileKey;
  const hash = createHash('sha256').update(start);
  const tail = { bytes: new Uint8Array() };
  try {
    yield* openBackupStream(key, start, withoutTail(rest, SIGNATURE_BYTES, hash, tail));
  } catch (error) {
    throw isClosed(error) ? failure('BACKUP_INVALID') : error;
  }
  if (!verifyFor('keymesh/v1/backup', hash.digest(), tail.bytes, header.meshPublicKey))
    throw failure('BACKUP_INVALID');
}

/** Passes on all but the last `size` bytes, which are in `tail` at the end. */
async function* withoutTail(
  pieces: AsyncIterable<Uint8Array>,
  size: number,
  hash: ReturnType<typeof createHash>,
  tail: { bytes: Uint8Array },
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    const seen = concat(tail.bytes, piece);
    const given = seen.subarray(0, Math.max(0, seen.length - size));
    tail.bytes = seen.slice(given.length);
    hash.update(given);
    if (given.length > 0) yield given;
  }
}

/** Reads only what stands in the clear. @throws BACKUP_INVALID */
export async function readStart(
  bytes: AsyncIterable<Uint8Array>,
): Promise<{ start: BackupStart; rest: AsyncIterable<Uint8Array> }> {
  const pieces = bytes[Symbol.asyncIterator]();
  let seen: Uint8Array = new Uint8Array();
  for (;;) {
    const next = await pieces.next();
    if (next.done === true) throw notABackup();
    seen = concat(seen, next.value);
    const start = decodeStart(seen);
    if (start === undefined) continue;
    const rest = async function* (): AsyncGenerator<Uint8Array> {
      yield seen.subarray(start.bytes.length);
      for (let more = await pieces.next(); more.done !== true; more = await pieces.next()) yield more.value;
    };
    return { start, rest: rest() };
  }
}

const isClosed = (error: unknown): boolean =>
  KeymeshError.is(error) && ['DECRYPTION_FAILED', 'CREDENTIAL_DAMAGED'].includes(error.code);
