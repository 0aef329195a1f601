import { failure } from '@keymesh/contracts';
import type { EntityManager } from 'typeorm';

/** The committed tree, and how far JOURNAL is in it. */
export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
  /** Stream sequence of the last journal message that is in the ledger; 0 for none. */
  readonly journalSequence: number;
  /** When JOURNAL stored that message, milliseconds since the Unix epoch; null before the first. */
  readonly journalStoredAt: number | null;
  /** When the JOURNAL stream was made that the sequence counts in; null before the first. */
  readonly journalCreated: string | null;
}

interface Row {
  readonly size: string;
  readonly root: Buffer;
  readonly journal_sequence: string;
  readonly journal_stored_at: Date | null;
  readonly journal_created: string | null;
}

const COLUMNS = 'size, root, journal_sequence, journal_stored_at, journal_created';

/** The newest committed tree head. */
export async function readTreeHead(manager: EntityManager): Promise<TreeHead> {
  return onlyRow(await manager.query<Row[]>(`SELECT ${COLUMNS} FROM tree_head`));
}

/**
 * The same, locked until the transaction ends.
 * INVARIANT: every transaction that appends takes this lock first and goes on from the head that it finds, so that two writers
 * (an instance that has not noticed yet that another took over) can never give out one index twice.
 */
export async function lockTreeHead(manager: EntityManager): Promise<TreeHead> {
  return onlyRow(await manager.query<Row[]>(`SELECT ${COLUMNS} FROM tree_head FOR UPDATE`));
}

/** Replaces the tree head. */
export async function saveTreeHead(manager: EntityManager, head: TreeHead): Promise<void> {
  await manager.query(
    `UPDATE tree_head SET size = $1, root = $2, journal_sequence = $3, journal_stored_at = $4, journal_created = $5,
       updated_at = now()`,
    [
      head.size,
      Buffer.from(head.root),
      head.journalSequence,
      head.journalStoredAt === null ? null : new Date(head.journalStoredAt),
      head.journalCreated,
    ],
  );
}

function onlyRow([row]: readonly Row[]): TreeHead {
  if (row === undefined) throw failure('LOG_INCONSISTENT', { details: { missing: 'tree_head' } });
  return {
    size: Number(row.size),
    root: new Uint8Array(row.root),
    journalSequence: Number(row.journal_sequence),
    journalStoredAt: row.journal_stored_at?.getTime() ?? null,
    journalCreated: row.journal_created,
  };
}
