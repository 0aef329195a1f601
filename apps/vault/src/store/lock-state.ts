import { failure } from '@keymesh/contracts';
import { inStore } from '@keymesh/postgres';
import { utf8 } from '@keymesh/kernel';
import canonicalize from 'canonicalize';
import type { DataSource } from 'typeorm';
import { macEquals, type RowSeal } from '../domain/row-mac.js';
import type { LockState, ReadLock } from '../domain/vault-lock.js';
import type { Queries } from './key-job-rows.js';

interface Row {
  readonly locked: boolean;
  readonly revision: number;
  readonly changed_by: string;
  readonly changed_at: Date;
  readonly row_mac: Buffer;
}
type Seal = Pick<RowSeal, 'messageMac'>;

// Every column; `table` keeps it apart from whatever else is sealed with this key.
const macOf = ({ messageMac }: Seal, state: LockState): Uint8Array =>
  messageMac(utf8(canonicalize({ table: 'lock_state', ...state }) ?? ''));

/** Reads the lock. @throws STORE_UNAVAILABLE */
export const readLock = (queries: Queries, seal: Seal): Promise<ReadLock> =>
  inStore(async () => {
    const [row] = await queries.query<Row[]>('SELECT * FROM lock_state WHERE id = 1');
    if (row === undefined) return 'never-set';
    const state: LockState = {
      locked: row.locked,
      revision: row.revision,
      changedBy: row.changed_by,
      changedAtMs: row.changed_at.getTime(),
    };
    return macEquals(macOf(seal, state), row.row_mac) ? state : 'damaged';
  });

/**
 * Writes the next state over whatever stands there, also over a damaged row: an operator's command is what mends it.
 * @param floor the highest revision that this instance has seen. @returns what was written.
 */
export async function writeLock(
  queries: Queries,
  seal: Seal,
  next: Pick<LockState, 'locked' | 'changedBy' | 'changedAtMs'>,
  floor: number,
): Promise<LockState> {
  // One command after the other, also before there is a row to lock.
  await queries.query('LOCK TABLE lock_state IN SHARE ROW EXCLUSIVE MODE');
  const [row] = await queries.query<{ revision: number }[]>('SELECT revision FROM lock_state WHERE id = 1');
  const state: LockState = { ...next, revision: Math.max(row?.revision ?? 0, floor) + 1 };
  const [written] = await queries.query<unknown[]>(
    `INSERT INTO lock_state (id, locked, revision, changed_by, changed_at, row_mac) VALUES (1, $1, $2, $3, $4, $5)
     ON CONFLICT (id) DO UPDATE SET locked = EXCLUDED.locked, revision = EXCLUDED.revision, changed_by = EXCLUDED.changed_by,
       changed_at = EXCLUDED.changed_at, row_mac = EXCLUDED.row_mac
     RETURNING 1 AS written`,
    [
      state.locked,
      state.revision,
      state.changedBy,
      new Date(state.changedAtMs),
      Buffer.from(macOf(seal, state)),
    ],
  );
  if (written === undefined) throw failure('INTERNAL', { details: { reason: 'the lock was not written' } });
  return state;
}

/** Asks for the lock's state, over the pool. */
export const makeReadLock = (dataSource: DataSource, seal: Seal) => (): Promise<ReadLock> =>
  readLock(dataSource.manager, seal);
