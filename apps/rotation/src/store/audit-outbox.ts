import { subjects, type AuditRecord } from '@keymesh/contracts';
import { insertOutbox } from '@keymesh/postgres';
import canonicalize from 'canonicalize';
import type { EntityManager } from 'typeorm';

/** Adds audit records to the caller's transaction; the relay carries them to the journal in this order. */
export async function insertRecords(manager: EntityManager, records: readonly AuditRecord[]): Promise<void> {
  for (const record of records) {
    const leaf = canonicalize(record);
    if (leaf === undefined) throw new Error('an audit record has no canonical form');
    await insertOutbox(manager, {
      kind: 'journal',
      id: record.id,
      subject: subjects.journal('rotation'),
      payload: Buffer.from(leaf, 'utf8'),
    });
  }
}
