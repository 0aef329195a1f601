import { failure } from '@keymesh/contracts';
import type { Kms } from '../kms/kms.js';
import { newestFirst, type NamedBackup } from './backup-name.js';
import { readContents, type BackupBegin, type BackupEnd, type ContentsVisitor } from './contents.js';
import type { BackupHeader } from './header.js';
import { openBackup } from './seal-backup.js';
import type { BackupTarget } from './targets/target.js';

export interface ReadBackupPorts {
  readonly kms: Pick<Kms, 'unwrapKey'>;
  readonly target: BackupTarget;
  /** The mesh that it must be of; undefined where nothing is pinned. */
  readonly meshPublicKey?: string | undefined;
}

export interface VerifiedBackup {
  readonly name: string;
  readonly header: BackupHeader;
  readonly begin: BackupBegin;
  readonly end: BackupEnd;
}

/** Names a backup: by its id, its name, or `latest`. @throws BACKUP_NOT_FOUND */
export async function findBackup(target: BackupTarget, which: string): Promise<NamedBackup> {
  const all = newestFirst((await target.list()).map(({ name }) => name));
  const found =
    which === 'latest' ? all[0] : all.find(({ name, backupId }) => name === which || backupId === which);
  if (found === undefined) throw failure('BACKUP_NOT_FOUND');
  return found;
}

/**
 * Reads a whole backup: every chunk, count and hash, then the signature. The visitor gets the parts as they come; all of it is void
 * unless this resolves.
 * @throws BACKUP_NOT_FOUND, BACKUP_INVALID, KMS_UNAVAILABLE, BACKUP_TARGET_UNAVAILABLE, or what the visitor throws
 */
export async function readBackup(
  { kms, target, meshPublicKey }: ReadBackupPorts,
  which: string,
  visitor: ContentsVisitor = {},
): Promise<VerifiedBackup> {
  const { name, backupId } = await findBackup(target, which);
  const { header, contents } = await openBackup(kms, await target.get(name));
  if (header.backupId !== backupId) throw renamed();
  if (meshPublicKey !== undefined && header.meshPublicKey !== meshPublicKey) throw ofAnotherMesh();
  const { begin, end } = await readContents(contents, visitor);
  return { name, header, begin, end };
}

const renamed = () =>
  failure('BACKUP_INVALID', {
    publicMessage: 'The file is named for another backup than it holds. Use another one.',
  });

const ofAnotherMesh = () =>
  failure('BACKUP_INVALID', {
    publicMessage: 'The backup is of another mesh than the one that is pinned here.',
  });
