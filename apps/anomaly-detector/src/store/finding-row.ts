import type { FindingKind, Severity } from '@keymesh/contracts';
import type { Finding } from '../domain/findings.js';

/** A row of `finding`, as the driver gives it (bigint as text). */
export interface FindingRow {
  readonly finding_id: string;
  readonly kind: FindingKind;
  readonly severity: Severity;
  readonly principal: string;
  readonly credential_id: string | null;
  readonly score: number;
  readonly observed: number;
  readonly baseline: number;
  readonly summary: string;
  readonly response: string | null;
  readonly log_index: string | null;
  readonly created_at: Date;
  readonly occurrences: number;
  readonly last_event_at: Date;
  readonly lock_attempts: number;
}

export const findingOf = (row: FindingRow): Finding => ({
  findingId: row.finding_id,
  kind: row.kind,
  severity: row.severity,
  principal: row.principal,
  credentialId: row.credential_id,
  score: row.score,
  observed: row.observed,
  baseline: row.baseline,
  summary: row.summary,
  response: row.response,
  logIndex: row.log_index === null ? null : Number(row.log_index),
  createdAtMs: row.created_at.getTime(),
  occurrences: row.occurrences,
  lastEventMs: row.last_event_at.getTime(),
});
