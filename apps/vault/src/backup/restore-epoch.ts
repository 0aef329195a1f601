import { HOUR } from '@keymesh/kernel';
import type { EntityManager } from 'typeorm';
import type { LaterRecords } from './later-records.js';

/** Revisions that one epoch has: those of another never meet them. 2^21 epochs of 2^32 fit into an integer of 53 bits. */
const REVISIONS_PER_EPOCH = 2 ** 32;
// SOURCE: a date before the first release; counted from here so that there are enough hours until the year 2265.
const FIRST_HOUR_MS = Date.parse('2026-01-01T00:00:00Z');

export interface RestoreFacts {
  readonly restoreId: string;
  readonly backupId: string;
  readonly backupCreatedAt: string;
  readonly nowMs: number;
}

/**
 * Begins a new restore epoch: its number is above every one that is known, and at least the hours since 2026, so that two restores of one
 * backup that know nothing of each other differ too. From here on revisions are above all that any reader can have seen: none of them
 * gets older data, and none takes a restored row for one that it knows.
 * @returns the epoch.
 */
export async function beginRestoreEpoch(
  manager: EntityManager,
  { restoreId, backupId, backupCreatedAt, nowMs }: RestoreFacts,
  later: LaterRecords,
): Promise<number> {
  const [row] = await manager.query<{ epoch: number | null; revision: string }[]>(
    'SELECT (SELECT max(epoch) FROM vault.restore_epoch) AS epoch, (SELECT last_value FROM vault.revision) AS revision',
  );
  const seenRevision = Math.max(later.maxRevision, Number(row?.revision ?? 0));
  const epoch = nextEpoch({ knownEpoch: Math.max(later.maxEpoch, row?.epoch ?? 0), seenRevision, nowMs });
  await manager.query(`SELECT setval('vault.revision', $1::bigint, false)`, [epoch * REVISIONS_PER_EPOCH]);
  await manager.query(
    `INSERT INTO vault.restore_epoch (epoch, restore_id, backup_id, backup_created_at, later_records, restored_at)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [epoch, restoreId, backupId, backupCreatedAt, later.source, new Date(nowMs)],
  );
  return epoch;
}

/** Pure; exported for its properties. */
export function nextEpoch(seen: {
  readonly knownEpoch: number;
  readonly seenRevision: number;
  readonly nowMs: number;
}): number {
  const hours = Math.floor((seen.nowMs - FIRST_HOUR_MS) / HOUR);
  return Math.max(seen.knownEpoch + 1, Math.floor(seen.seenRevision / REVISIONS_PER_EPOCH) + 1, hours);
}

export const firstRevisionOf = (epoch: number): number => epoch * REVISIONS_PER_EPOCH;
