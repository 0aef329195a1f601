import { failure } from '@keymesh/contracts';
import { concat, fromBase64Url, fromUtf8, utf8 } from '@keymesh/kernel';
import canonicalize from 'canonicalize';
import { z } from 'zod';
import type { WrapContext } from '../kms/kms.js';

// The start of a backup (docs/reference/backup-format.md):
//   "KMBACKUP" ‖ u8 format ‖ u32 header bytes (big endian) ‖ header (RFC 8785 JSON)
const MAGIC = utf8('KMBACKUP');
export const BACKUP_FORMAT = 1;
const FIXED_BYTES = MAGIC.length + 1 + 4;
const MAX_HEADER_BYTES = 65_536;

const base64Url = z.string().transform((text, context): Uint8Array => {
  const bytes = fromBase64Url(text);
  if (bytes !== undefined) return bytes;
  context.issues.push({ code: 'custom', input: undefined, message: 'must be base64url' });
  return z.NEVER;
});

/** What anybody can read of a backup. Believed only once the stream after it has opened. */
export const backupHeader = z.strictObject({
  v: z.literal(1),
  backupId: z.uuid(),
  createdAt: z.iso.datetime(),
  meshPublicKey: z.string(),
  /** Which KMS key wraps the file key. */
  provider: z.string(),
  providerKeyId: z.string(),
  wrappedKey: base64Url,
});
export type BackupHeader = z.output<typeof backupHeader>;

/** Binds the wrapped file key to its backup. */
export const backupContext = (backupId: string): WrapContext => ({ purpose: 'keymesh/v1/backup', backupId });

/** The bytes in front of the sealed stream. */
export function encodeStart({ wrappedKey, ...header }: BackupHeader): Uint8Array {
  const json = utf8(
    canonicalize({ ...header, wrappedKey: Buffer.from(wrappedKey).toString('base64url') }) ?? '',
  );
  const size = Buffer.alloc(4);
  size.writeUInt32BE(json.length);
  return concat(MAGIC, Uint8Array.of(BACKUP_FORMAT), size, json);
}

/** What a backup starts with, and how many bytes that is. */
export interface BackupStart {
  readonly header: BackupHeader;
  readonly bytes: Uint8Array;
}

/**
 * Reads the start from the first bytes of a backup.
 * @returns undefined while there are too few bytes.
 * @throws BACKUP_INVALID when it is no backup, or of a format that this release does not know.
 */
export function decodeStart(seen: Uint8Array): BackupStart | undefined {
  if (!MAGIC.slice(0, seen.length).every((byte, at) => seen[at] === byte)) throw notABackup();
  if (seen.length < FIXED_BYTES) return undefined;
  const format = seen[MAGIC.length] ?? 0;
  if (format !== BACKUP_FORMAT) {
    throw failure('BACKUP_INVALID', {
      publicMessage: `This release reads backups of format ${String(BACKUP_FORMAT)}; this one says ${String(format)}. Use the release that made it, or a newer one.`,
    });
  }
  const size = new DataView(seen.buffer, seen.byteOffset).getUint32(MAGIC.length + 1);
  if (size > MAX_HEADER_BYTES) throw notABackup();
  if (seen.length < FIXED_BYTES + size) return undefined;
  const bytes = seen.slice(0, FIXED_BYTES + size);
  return { header: parseHeader(bytes.subarray(FIXED_BYTES)), bytes };
}

function parseHeader(json: Uint8Array): BackupHeader {
  try {
    return backupHeader.parse(JSON.parse(fromUtf8(json)));
  } catch {
    throw notABackup();
  }
}

export const notABackup = () =>
  failure('BACKUP_INVALID', {
    publicMessage: 'This is no backup of Keymesh, or its start is damaged. Use another one.',
  });
