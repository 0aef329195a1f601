import { subjects } from '@keymesh/contracts';
import { insertOutbox } from '@keymesh/postgres';
import canonicalize from 'canonicalize';
import type { EntityManager } from 'typeorm';
import type { AuditEntry } from '../domain/ports.js';

/** Adds audit records to the caller's transaction; the relay carries them to the journal in this order. */
export async function insertRecords(manager: EntityManager, entries: readonly AuditEntry[]): Promise<void> {
  for (const { record, beside } of entries) {
    const leaf = canonicalize(record);
    if (leaf === undefined) throw new Error('an audit record has no canonical form');
    await insertOutbox(manager, {
      kind: 'journal',
      id: record.id,
      subject: subjects.journal('policy'),
      payload: Buffer.from(leaf, 'utf8'),
      ...(beside === undefined ? {} : { beside }),
    });
  }
}
