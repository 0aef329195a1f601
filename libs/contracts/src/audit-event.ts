import { fromUtf8 } from '@keymesh/kernel';
import { z } from 'zod';
import { auditRecord, type AuditRecord } from './audit-record.js';

/**
 * Body of a message on `keymesh.v1.audit.<service>.<noun>.<past>`: an OCSF event, as far as Keymesh's own consumers read it.
 * docs/reference/audit-events.md has the whole mapping.
 */
export const auditEvent = z.looseObject({
  class_uid: z.int(),
  /** When it happened, milliseconds since the Unix epoch. */
  time: z.int(),
  metadata: z.looseObject({
    /** The record's id. */
    uid: z.uuid(),
    /** Index in the ledger, without gaps. */
    sequence: z.int().min(0),
    /** `<noun>.<past>` */
    event_code: z.string(),
  }),
  /** The leaf's exact text: SHA-256 of 0x00 and its UTF-8 bytes is the leaf hash. */
  raw_data: z.string(),
});
export type AuditEvent = z.output<typeof auditEvent>;

/** What an event of the feed says. */
export interface ReadAuditEvent {
  readonly logIndex: number;
  readonly record: AuditRecord;
}

// Newer producers may add fields to a record; an older reader goes on.
const anyAuditRecord = auditRecord.loose();

/** Reads an event of the feed. @returns undefined for bytes that are none. The signature is checked apart (`isEventSignedBy`). */
export function readAuditEvent(bytes: Uint8Array): ReadAuditEvent | undefined {
  try {
    const event = auditEvent.parse(JSON.parse(fromUtf8(bytes)));
    const record = anyAuditRecord.parse(JSON.parse(event.raw_data));
    return { logIndex: event.metadata.sequence, record };
  } catch {
    return undefined;
  }
}
