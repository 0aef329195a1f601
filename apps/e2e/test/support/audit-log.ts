import type { Keymesh } from '@keymesh/client';
import { auditRecord, listAuditEvents, type AuditRecord } from '@keymesh/contracts';

export interface LoggedRecord extends AuditRecord {
  readonly logIndex: number;
}

/** Every record of the ledger from an index on, as the audit service tells them. */
export async function readLog(auditor: Keymesh, fromIndex = 0): Promise<LoggedRecord[]> {
  const records: LoggedRecord[] = [];
  for (let next = fromIndex; ;) {
    const { events } = await auditor.call(
      listAuditEvents,
      { fromIndex: next, limit: 500 },
      { deadlineMs: 15_000 },
    );
    for (const { index, leaf } of events)
      records.push({ ...auditRecord.parse(JSON.parse(leaf)), logIndex: index });
    if (events.length === 0) return records;
    next = fromIndex + records.length;
  }
}

/** Trace id of the request that a record tells of. */
export const traceIdOf = ({ traceparent }: Pick<AuditRecord, 'traceparent'>): string =>
  traceparent?.split('-')[1] ?? '';
