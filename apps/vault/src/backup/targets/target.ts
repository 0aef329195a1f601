import { failure } from '@keymesh/contracts';
import type { BackupTargetConfig } from '../config.js';

/** Where backups are kept. One file per kind of storage. Names only: what is in a backup only the backup itself says. */
export interface BackupTarget {
  /** `folder`, `s3`: for records and logs. */
  readonly kind: string;
  /** Keeps a backup whole or not at all. Its name holds its id, so no two are of one name. @throws BACKUP_TARGET_UNAVAILABLE, or what `bytes` throws */
  put(name: string, bytes: AsyncIterable<Uint8Array>): Promise<{ readonly sizeBytes: number }>;
  /** @throws BACKUP_NOT_FOUND */
  get(name: string): Promise<AsyncIterable<Uint8Array>>;
  list(): Promise<readonly { readonly name: string; readonly sizeBytes: number }[]>;
  remove(name: string): Promise<void>;
}

/** The storage that the configuration names. Only its own SDK is loaded. */
export async function openTarget(config: BackupTargetConfig): Promise<BackupTarget> {
  return config.kind === 'folder'
    ? (await import('./folder.js')).makeFolderTarget(config)
    : (await import('./s3.js')).makeS3Target(config);
}

/** @throws BACKUP_TARGET_UNAVAILABLE in place of what a storage said, which may quote paths and requests. */
export const targetFailed = (error: unknown) =>
  failure('BACKUP_TARGET_UNAVAILABLE', {
    details: { reason: (error as { name?: string; code?: string }).code ?? (error as Error).name },
  });
