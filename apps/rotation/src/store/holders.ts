import { inStore, transact } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';

/** One session of one principal that has read a version of a credential. A plain request has the session ''. */
export interface Holding {
  readonly credentialId: string;
  readonly principal: string;
  readonly session: string;
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly seenAt: number;
}

// INVARIANT: a read counts for its own session only. The newest version that a session has read is what it has confirmed;
// reading an older one again (stage `previous`) takes nothing back.
const RECORD = `
  INSERT INTO holder (credential_id, principal, session, version, last_seen)
  SELECT credential_id, principal, session, max(version), max(last_seen)
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::timestamptz[])
    AS read (credential_id, principal, session, version, last_seen)
  GROUP BY credential_id, principal, session
  ON CONFLICT (credential_id, principal, session) DO UPDATE
  SET version = greatest(holder.version, excluded.version), last_seen = greatest(holder.last_seen, excluded.last_seen)`;

/** Notes reads, all in one statement. Idempotent, in any order. @throws STORE_UNAVAILABLE */
export const recordHoldings = (dataSource: DataSource, holdings: readonly Holding[]): Promise<void> =>
  inStore(async () => {
    const column = <K extends keyof Holding>(key: K): Holding[K][] => holdings.map((holding) => holding[key]);
    await dataSource.query(RECORD, [
      column('credentialId'),
      column('principal'),
      column('session'),
      column('version'),
      column('seenAt').map((seenAt) => new Date(seenAt)),
    ]);
  });

/** Principals that have read any version of a credential and are not forgotten yet. */
export async function findHolders(manager: EntityManager, credentialId: string): Promise<string[]> {
  const rows = await manager.query<{ principal: string }[]>(
    'SELECT DISTINCT principal FROM holder WHERE credential_id = $1 ORDER BY principal',
    [credentialId],
  );
  return rows.map(({ principal }) => principal);
}

export const forgetHolders = (manager: EntityManager, credentialId: string): Promise<unknown> =>
  manager.query('DELETE FROM holder WHERE credential_id = $1', [credentialId]);

/** How far the sessions that have read a credential have come to a version. */
export interface Adoption {
  readonly confirmed: number;
  readonly waiting: number;
}

/** A channel session lives 12 hours at most: older ones have ended and need confirm nothing. */
export const SESSION_HOURS = 12;

/** @returns by credential id, the adoption of its newest rotated version; credentials without live sessions are absent. */
export const findAdoption = (dataSource: DataSource): Promise<ReadonlyMap<string, Adoption>> =>
  inStore(async () => {
    const rows = await dataSource.query<{ credential_id: string; confirmed: number; waiting: number }[]>(
      `WITH rotated AS (
         SELECT credential_id, max(version) AS version FROM workflow WHERE state = 'done' GROUP BY credential_id)
       SELECT credential_id, (count(*) FILTER (WHERE holder.version >= rotated.version))::int AS confirmed,
         (count(*) FILTER (WHERE holder.version < rotated.version))::int AS waiting
       FROM holder JOIN rotated USING (credential_id)
       WHERE last_seen > now() - $1 * interval '1 hour' GROUP BY credential_id`,
      [SESSION_HOURS],
    );
    return new Map(
      rows.map((row) => [row.credential_id, { confirmed: row.confirmed, waiting: row.waiting }]),
    );
  });

/** Who has not read a credential for so long is told nothing of it any more. */
const FORGET_DAYS = 35;
/** Longer than the stream EVENTS keeps messages (7 days). */
const PROCESSED_DAYS = 14;

/** Forgets what is too old to matter. @throws STORE_UNAVAILABLE */
export const pruneHolders = (dataSource: DataSource): Promise<void> =>
  transact(dataSource, async (manager) => {
    await manager.query(`DELETE FROM holder WHERE last_seen < now() - $1 * interval '1 day'`, [FORGET_DAYS]);
    await manager.query(`DELETE FROM processed_event WHERE processed_at < now() - $1 * interval '1 day'`, [
      PROCESSED_DAYS,
    ]);
  });
