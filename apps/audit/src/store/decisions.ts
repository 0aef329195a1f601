import type { EntityManager } from 'typeorm';

/** An entry as far as its decision is concerned. */
export interface DecisionEntry {
  readonly index: number;
  readonly leaf: Uint8Array;
  /** The name that stands beside it. */
  readonly name: string | null;
}

interface Row {
  readonly log_index: string;
  readonly leaf: Buffer;
  readonly name: string | null;
}
const toEntry = ({ log_index, leaf, name }: Row): DecisionEntry => ({ index: Number(log_index), leaf, name });

/** Entries of an index range that happened since a time, in index order. */
export async function readSince(
  manager: EntityManager,
  range: {
    readonly fromIndex: number;
    readonly untilIndex: number;
    readonly since: string;
    readonly limit: number;
  },
): Promise<DecisionEntry[]> {
  const rows = await manager.query<Row[]>(
    `SELECT log_index, leaf, beside.readable->>'name' AS name FROM entry LEFT JOIN beside USING (log_index)
     WHERE log_index >= $1 AND log_index < $2 AND occurred_at >= $3 ORDER BY log_index LIMIT $4`,
    [range.fromIndex, range.untilIndex, range.since, range.limit],
  );
  return rows.map(toEntry);
}

/** One entry, by its index or its record's id. */
export async function findEntry(
  manager: EntityManager,
  by: { readonly index?: number | undefined; readonly recordId?: string | undefined },
): Promise<DecisionEntry | undefined> {
  const [row] = await manager.query<Row[]>(
    `SELECT log_index, leaf, beside.readable->>'name' AS name FROM entry LEFT JOIN beside USING (log_index)
     WHERE log_index = $1 OR event_id = $2`,
    [by.index ?? null, by.recordId ?? null],
  );
  return row === undefined ? undefined : toEntry(row);
}

/** Index that the next entry of the ledger gets. */
export async function nextIndexOf(manager: EntityManager): Promise<number> {
  const [row] = await manager.query<{ next: string }[]>(
    'SELECT coalesce(max(log_index) + 1, 0) AS next FROM entry',
  );
  return Number(row?.next ?? 0);
}
