import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { Finding } from '../domain/findings.js';
import { findingOf, type FindingRow } from './finding-row.js';

/** A finding whose principal is to be locked, and how often that has failed. */
export interface DueLock {
  readonly finding: Finding;
  readonly attempts: number;
}

// Whoever takes it has until the new due time; when that instance dies, another one takes it then.
const TAKE = `
  UPDATE finding SET lock_due_at = now() + $1 * interval '1 millisecond', lock_attempts = lock_attempts + 1
  WHERE finding_id = (
    SELECT finding_id FROM finding WHERE lock_due_at <= now() ORDER BY lock_due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING *`;

/** Takes the lock that has been due longest. @returns undefined when none is. @throws STORE_UNAVAILABLE */
export const takeDueLock = (dataSource: DataSource, holdMs: number): Promise<DueLock | undefined> =>
  inStore(async () => {
    const [[row]] = await dataSource.query<[FindingRow[], number]>(TAKE, [holdMs]);
    return row === undefined ? undefined : { finding: findingOf(row), attempts: row.lock_attempts };
  });

/** Writes what the response came to; `retryInMs` keeps it due, otherwise it is over. */
export const saveResponse = (
  dataSource: DataSource,
  findingId: string,
  response: string,
  retryInMs?: number,
): Promise<void> =>
  inStore(async () => {
    await dataSource.query(
      `UPDATE finding SET response = $2,
         lock_due_at = CASE WHEN $3::float8 IS NULL THEN NULL ELSE now() + $3::float8 * interval '1 millisecond' END
       WHERE finding_id = $1`,
      [findingId, response, retryInMs ?? null],
    );
  });
