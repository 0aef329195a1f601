import { subjects, type AuditRecord } from '@keymesh/contracts';
import { encodeLeaf } from '@keymesh/mesh';
import { insertOutbox, transact } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';

/** Adds audit records to the caller's transaction; the relay carries them to the journal in this order. */
export async function insertRecords(manager: EntityManager, records: readonly AuditRecord[]): Promise<void> {
  for (const record of records) {
    await insertOutbox(manager, {
      kind: 'journal',
      id: record.id,
      subject: subjects.journal('rotation'),
      payload: Buffer.from(encodeLeaf(record)),
    });
  }
}

/** Commits a record of its own. @throws STORE_UNAVAILABLE */
export const saveRecord = (dataSource: DataSource, record: AuditRecord): Promise<void> =>
  transact(dataSource, (manager) => insertRecords(manager, [record]));
