import { randomBytes } from 'node:crypto';
import { subjects, type AuditRecord, type ErrorCode } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import { encodeLeaf } from '@keymesh/mesh';
import { insertOutbox } from '@keymesh/postgres';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';

export interface BackupRecord {
  readonly type: 'backup.created' | 'backup.pruned' | 'backup.restored' | 'namespace.restored';
  readonly backupId?: string;
  /** Absent: it succeeded. */
  readonly code?: ErrorCode;
  readonly facts?: NonNullable<AuditRecord['facts']>;
}

/**
 * Puts an audit record into the vault's outbox, within the caller's transaction; the vault carries it to the journal when it runs. Who
 * did it is not said: it was somebody on the vault's own host, whom no channel proves.
 */
export async function recordBackup(
  manager: EntityManager,
  { type, backupId, code, facts }: BackupRecord,
  clock: Clock,
): Promise<void> {
  const record: AuditRecord = {
    v: 1,
    id: uuidv7(),
    time: new Date(clock.now()).toISOString(),
    type,
    service: 'vault',
    instance: `backup-${randomBytes(4).toString('hex')}`,
    outcome: code === undefined ? 'success' : 'failure',
    ...(code === undefined ? {} : { code }),
    resource: { kind: 'backup', ...(backupId === undefined ? {} : { id: backupId }) },
    ...(facts === undefined ? {} : { facts }),
  };
  await insertOutbox(manager, {
    kind: 'journal',
    id: record.id,
    subject: subjects.journal('vault'),
    payload: Buffer.from(encodeLeaf(record)),
  });
}
