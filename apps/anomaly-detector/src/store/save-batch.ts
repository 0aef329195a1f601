import type { EntityManager } from 'typeorm';
import type { Finding } from '../domain/findings.js';
import type { BatchResult } from '../domain/score-batch.js';

/** Writes what a batch changed, within the caller's transaction; findings apart ({@link insertFinding}). */
export async function saveBatch(
  manager: EntityManager,
  { baselines, newlyKnown, merged }: BatchResult,
): Promise<void> {
  const principals = [...baselines.keys()];
  await manager.query(
    `INSERT INTO baseline (principal, state) SELECT * FROM unnest($1::text[], $2::jsonb[])
     ON CONFLICT (principal) DO UPDATE SET state = excluded.state, updated_at = now()`,
    [principals, principals.map((principal) => JSON.stringify(baselines.get(principal)))],
  );
  await manager.query(
    `INSERT INTO known_credential (principal, credential_id, first_read_at)
     SELECT * FROM unnest($1::text[], $2::uuid[], $3::timestamptz[]) ON CONFLICT DO NOTHING`,
    [
      newlyKnown.map(({ principal }) => principal),
      newlyKnown.map(({ credentialId }) => credentialId),
      newlyKnown.map(({ timeMs }) => new Date(timeMs)),
    ],
  );
  for (const finding of merged) await updateFinding(manager, finding);
}

const updateFinding = (manager: EntityManager, finding: Finding): Promise<unknown> =>
  manager.query(
    'UPDATE finding SET score = $2, observed = $3, occurrences = $4, last_event_at = $5 WHERE finding_id = $1',
    [finding.findingId, finding.score, finding.observed, finding.occurrences, new Date(finding.lastEventMs)],
  );

const INSERT = `
  INSERT INTO finding (finding_id, kind, severity, principal, credential_id, score, observed, baseline, summary, response,
    log_index, created_at, occurrences, last_event_at, lock_due_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, CASE WHEN $15 THEN now() END)
  ON CONFLICT DO NOTHING RETURNING 1`;

/**
 * Adds a finding. `wantsLock`: its principal is to be locked (respond-to-findings.ts).
 * @returns false when there is one of this id: the same finding of a feed that was replayed beyond what is remembered.
 */
export async function insertFinding(
  manager: EntityManager,
  finding: Finding,
  wantsLock: boolean,
): Promise<boolean> {
  const rows = await manager.query<unknown[]>(INSERT, [
    finding.findingId,
    finding.kind,
    finding.severity,
    finding.principal,
    finding.credentialId,
    finding.score,
    finding.observed,
    finding.baseline,
    finding.summary,
    finding.response,
    finding.logIndex,
    new Date(finding.createdAtMs),
    finding.occurrences,
    new Date(finding.lastEventMs),
    wantsLock,
  ]);
  return rows.length === 1;
}
