import { fromUtf8 } from '@keymesh/kernel';
import { z } from 'zod';
import type { AuditRecord } from './audit-record.js';

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

/**
 * Reads an event of the feed whose signature was found to hold (`isEventSignedBy`): its producer made it by the schemas above, so only
 * what could not be read at all is refused here. Checking every field again was most of a reader's work. Newer producers may add fields.
 * @returns undefined for bytes that are no event.
 */
export function readAuditEvent(bytes: Uint8Array): ReadAuditEvent | undefined {
  try {
    const event = JSON.parse(fromUtf8(bytes)) as AuditEvent;
    const logIndex = event.metadata.sequence;
    const record = JSON.parse(event.raw_data) as AuditRecord;
    const isRecord =
      typeof record.type === 'string' && typeof record.time === 'string' && typeof record.id === 'string';
    return Number.isSafeInteger(logIndex) && isRecord ? { logIndex, record } : undefined;
  } catch {
    return undefined;
  }
}
