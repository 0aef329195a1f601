import type { EntityManager } from 'typeorm';
import type { Baseline, FeedEvent } from '../domain/baseline.js';
import { isScored, knownKey, openKey, type BatchMemory } from '../domain/score-batch.js';
import { findingOf, type FindingRow } from './finding-row.js';

const MARK = `
  INSERT INTO processed_event (event_id, event_at) SELECT * FROM unnest($1::uuid[], $2::timestamptz[])
  ON CONFLICT DO NOTHING RETURNING event_id`;

/** Marks events as counted, within the caller's transaction. @returns those that were not before, each once. */
export async function takeUnseen(
  manager: EntityManager,
  events: readonly FeedEvent[],
): Promise<readonly FeedEvent[]> {
  const byId = new Map(events.map((event) => [event.eventId, event]));
  const once = [...byId.values()];
  const rows = await manager.query<{ event_id: string }[]>(MARK, [
    once.map(({ eventId }) => eventId),
    once.map(({ timeMs }) => new Date(timeMs)),
  ]);
  const unseen = new Set(rows.map((row) => row.event_id));
  return once.filter(({ eventId }) => unseen.has(eventId));
}

/** Everything that is known of the principals of these events. */
export async function loadMemory(manager: EntityManager, events: readonly FeedEvent[]): Promise<BatchMemory> {
  const scored = events.filter(isScored);
  const principals = [...new Set(scored.map(({ principal }) => principal))];
  const reads = scored.flatMap(({ principal, credentialId }) =>
    credentialId === undefined ? [] : [{ principal, credentialId }],
  );
  const baselines = await manager.query<{ principal: string; state: Baseline }[]>(
    'SELECT principal, state FROM baseline WHERE principal = ANY($1)',
    [principals],
  );
  const known = await manager.query<{ principal: string; credential_id: string }[]>(
    `SELECT DISTINCT principal, credential_id FROM known_credential
     JOIN unnest($1::text[], $2::uuid[]) AS read(principal, credential_id) USING (principal, credential_id)`,
    [reads.map(({ principal }) => principal), reads.map(({ credentialId }) => credentialId)],
  );
  const open = await manager.query<FindingRow[]>(
    `SELECT DISTINCT ON (principal, kind) * FROM finding WHERE principal = ANY($1)
     ORDER BY principal, kind, created_at DESC, finding_id`,
    [[...new Set(events.flatMap(({ principal }) => principal ?? []))]],
  );
  return {
    baselines: new Map(baselines.map(({ principal, state }) => [principal, state])),
    known: new Set(known.map((row) => knownKey(row.principal, row.credential_id))),
    open: new Map(open.map((row) => [openKey(row.principal, row.kind), findingOf(row)])),
  };
}
