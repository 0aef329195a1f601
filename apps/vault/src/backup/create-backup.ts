import type { DatabasePassword, Snapshot } from '@keymesh/postgres';
import { withSnapshot } from '@keymesh/postgres';
import type { Clock } from '@keymesh/kernel';
import { v7 as uuidv7 } from 'uuid';
import { backupNameOf } from './backup-name.js';
import { writeContents, type BackupEnd, type BackupFile } from './contents.js';
import { BACKUP_SCHEMAS, isBackedUp } from './scope.js';
import { sealBackup, type SealPorts } from './seal-backup.js';
import type { BackupTarget } from './targets/target.js';

export interface CreateBackupPorts extends SealPorts {
  /** A role that may read every table. */
  readonly reader: { readonly url: string } & DatabasePassword;
  readonly target: BackupTarget;
  readonly files: Iterable<BackupFile>;
  readonly clock: Clock;
}

export interface CreatedBackup {
  readonly backupId: string;
  readonly name: string;
  readonly createdAt: string;
  readonly sizeBytes: number;
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
}

/**
 * Makes a backup: one snapshot of all schemas, sealed and signed as it is read, straight into its storage.
 * @throws STORE_UNAVAILABLE, KMS_UNAVAILABLE, BACKUP_TARGET_UNAVAILABLE; then there is none.
 */
export async function createBackup(ports: CreateBackupPorts): Promise<CreatedBackup> {
  const backup = { backupId: uuidv7(), createdAt: new Date(ports.clock.now()).toISOString() };
  const name = backupNameOf(backup);
  const options = { ...ports.reader, schemas: BACKUP_SCHEMAS, applicationName: 'keymesh-backup' };
  return withSnapshot(options, async (snapshot) => {
    let end: BackupEnd | undefined;
    const contents = writeContents({
      snapshot,
      tables: snapshot.tables.filter(isBackedUp),
      begin: { checkpoint: await newestCheckpoint(snapshot), epoch: await currentEpoch(snapshot) },
      files: ports.files,
      onEnd: (said) => (end = said),
    });
    const { sizeBytes } = await ports.target.put(name, sealBackup(ports, backup, contents));
    const { tables = 0, rows = 0, files = 0 } = end ?? {};
    return { ...backup, name, sizeBytes, tables, rows, files };
  });
}

async function newestCheckpoint(snapshot: Snapshot): Promise<string | null> {
  const [row] = await snapshot.query<{ note: string }>(
    'SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 1',
  );
  return row?.note ?? null;
}

async function currentEpoch(snapshot: Snapshot): Promise<number> {
  const [row] = await snapshot.query<{ epoch: number | null }>(
    'SELECT max(epoch) AS epoch FROM vault.restore_epoch',
  );
  return row?.epoch ?? 0;
}
