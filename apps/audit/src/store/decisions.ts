import type { EntityManager } from 'typeorm';

/** An entry as far as its decision is concerned. */
export interface DecisionEntry {
  readonly index: number;
  readonly leaf: Uint8Array;
  /** When it happened, by its record. */
  readonly occurredAtMs: number;
}

interface Row {
  readonly log_index: string;
  readonly leaf: Buffer;
  readonly occurred_at: Date;
}
const toEntry = ({ log_index, leaf, occurred_at }: Row): DecisionEntry => ({
  ...{ index: Number(log_index), leaf, occurredAtMs: occurred_at.getTime() },
});

// By the index alone: a condition on the time makes Postgres look for another way through a table that it does not know well yet.
/** Entries of an index range, in order. */
export async function readRange(
  manager: EntityManager,
  fromIndex: number,
  untilIndex: number,
): Promise<DecisionEntry[]> {
  const rows = await manager.query<Row[]>(
    'SELECT log_index, leaf, occurred_at FROM entry WHERE log_index >= $1 AND log_index < $2 ORDER BY log_index',
    [fromIndex, untilIndex],
  );
  return rows.map(toEntry);
}

/** One entry, by its index or its record's id. */
export async function findEntry(
  manager: EntityManager,
  by: { readonly index?: number | undefined; readonly recordId?: string | undefined },
): Promise<DecisionEntry | undefined> {
  const [row] = await manager.query<Row[]>(
    'SELECT log_index, leaf, occurred_at FROM entry WHERE log_index = $1 OR event_id = $2',
    [by.index ?? null, by.recordId ?? null],
  );
  return row === undefined ? undefined : toEntry(row);
}

/** Names that stand beside entries of an index range. */
export async function namesBeside(
  manager: EntityManager,
  fromIndex: number,
  untilIndex: number,
): Promise<Map<number, string>> {
  const rows = await manager.query<{ log_index: string; name: string }[]>(
    `SELECT log_index, readable->>'name' AS name FROM beside
     WHERE log_index >= $1 AND log_index < $2 AND readable->>'name' IS NOT NULL`,
    [fromIndex, untilIndex],
  );
  return new Map(rows.map(({ log_index, name }) => [Number(log_index), name]));
}

/** Index that the next entry of the ledger gets. */
export async function nextIndexOf(manager: EntityManager): Promise<number> {
  const [row] = await manager.query<{ next: string }[]>(
    'SELECT coalesce(max(log_index) + 1, 0) AS next FROM entry',
  );
  return Number(row?.next ?? 0);
}
