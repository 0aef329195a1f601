import type { EntityManager } from 'typeorm';
import type { AskedApproval } from '../domain/approvals.js';
import type { BreakGlassNote } from '../domain/ports.js';

// Queries on requests for approval and notes on break-glass. One purpose each.

interface Row {
  readonly approval_id: string;
  readonly request: AskedApproval['request'];
  readonly attributes: AskedApproval['attributes'];
  readonly request_digest: string;
  readonly content: string | null;
  readonly reason: string;
  readonly asked_at: Date;
  readonly expires_at: Date;
  readonly ended: AskedApproval['ended'];
  readonly approvals: string[];
}

const askedOf = (row: Row): AskedApproval => ({
  approvalId: row.approval_id,
  request: row.request,
  attributes: row.attributes,
  requestDigest: row.request_digest,
  content: row.content,
  reason: row.reason,
  askedAt: row.asked_at.toISOString(),
  expiresAt: row.expires_at.toISOString(),
  ended: row.ended,
  approvals: row.approvals,
});

/** Requests that end after this moment, however they ended, in the order in which they were asked. */
export async function listAsked(manager: EntityManager, endingAfterMs: number): Promise<AskedApproval[]> {
  const rows = await manager.query<Row[]>(
    'SELECT * FROM approval_request WHERE expires_at > $1 ORDER BY asked_at, approval_id',
    [new Date(endingAfterMs)],
  );
  return rows.map(askedOf);
}

/** Writes requests as they are from now on. */
export async function saveAsked(manager: EntityManager, asked: readonly AskedApproval[]): Promise<void> {
  for (const one of asked)
    await manager.query(
      `INSERT INTO approval_request (approval_id, request, attributes, request_digest, reason, asked_at, expires_at, ended, approvals, content)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
       ON CONFLICT (approval_id) DO UPDATE SET ended = excluded.ended, approvals = excluded.approvals`,
      [
        one.approvalId,
        JSON.stringify(one.request),
        JSON.stringify(one.attributes),
        one.requestDigest,
        one.reason,
        one.askedAt,
        one.expiresAt,
        one.ended === null ? null : JSON.stringify(one.ended),
        one.approvals,
        one.content,
      ],
    );
}

/** Forgets requests that ended before this moment; the audit log keeps what was said. */
export async function pruneAsked(manager: EntityManager, endedBeforeMs: number): Promise<void> {
  await manager.query('DELETE FROM approval_request WHERE expires_at <= $1', [new Date(endedBeforeMs)]);
}

/** What was said about openings, by opening. */
export async function listNotes(manager: EntityManager): Promise<ReadonlyMap<string, BreakGlassNote>> {
  const rows = await manager.query<{ opening_id: string; reason: string | null; finding: string | null }[]>(
    'SELECT opening_id, reason, finding FROM break_glass_note',
  );
  return new Map(
    rows.map(({ opening_id: openingId, reason, finding }) => [openingId, { openingId, reason, finding }]),
  );
}

/** Adds to what was said; what is null stays as it was. */
export async function saveNotes(manager: EntityManager, notes: readonly BreakGlassNote[]): Promise<void> {
  for (const { openingId, reason, finding } of notes)
    await manager.query(
      `INSERT INTO break_glass_note (opening_id, reason, finding) VALUES ($1, $2, $3)
       ON CONFLICT (opening_id) DO UPDATE SET
         reason = coalesce(excluded.reason, break_glass_note.reason),
         finding = coalesce(excluded.finding, break_glass_note.finding)`,
      [openingId, reason, finding],
    );
}
