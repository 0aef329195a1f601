import type { EntityManager } from 'typeorm';

/** An entry of the ledger as it is read. */
export interface LedgerEntry {
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
}

interface Row {
  readonly log_index: string;
  readonly leaf: Buffer;
  readonly leaf_hash: Buffer;
}

const toEntry = (row: Row): LedgerEntry => ({
  index: Number(row.log_index),
  leaf: row.leaf,
  leafHash: row.leaf_hash,
});

/** Entries from an index on, in order. */
export async function readEntries(
  manager: EntityManager,
  fromIndex: number,
  limit: number,
): Promise<LedgerEntry[]> {
  const rows = await manager.query<Row[]>(
    'SELECT log_index, leaf, leaf_hash FROM entry WHERE log_index >= $1 ORDER BY log_index LIMIT $2',
    [fromIndex, limit],
  );
  return rows.map(toEntry);
}

export interface ListedEntry extends LedgerEntry {
  readonly beside: Readonly<Record<string, string>> | null;
}

// The window stops a page of long leaves before it outgrows a message; the first entry is always given.
const LIST = `
  SELECT log_index, leaf, leaf_hash, readable FROM (
    SELECT entry.*, beside.readable,
      sum(octet_length(leaf) + coalesce(octet_length(beside.readable::text), 0)) OVER (ORDER BY log_index)
        - octet_length(leaf) - coalesce(octet_length(beside.readable::text), 0) AS bytes_before
    FROM (SELECT * FROM entry WHERE log_index >= $1 ORDER BY log_index LIMIT $2) AS entry
    LEFT JOIN beside USING (log_index)
  ) AS page
  WHERE bytes_before < $3 ORDER BY log_index`;

/** Entries with what stands beside them, until `limit` or about `maxBytes` are reached. */
export async function listEntries(
  manager: EntityManager,
  page: { readonly fromIndex: number; readonly limit: number; readonly maxBytes: number },
): Promise<ListedEntry[]> {
  const rows = await manager.query<(Row & { readable: Record<string, string> | null })[]>(LIST, [
    page.fromIndex,
    page.limit,
    page.maxBytes,
  ]);
  return rows.map((row) => ({ ...toEntry(row), beside: row.readable }));
}

/** The leaf hash of one entry. */
export async function findLeafHash(manager: EntityManager, index: number): Promise<Uint8Array | undefined> {
  const [row] = await manager.query<{ leaf_hash: Buffer }[]>(
    'SELECT leaf_hash FROM entry WHERE log_index = $1',
    [index],
  );
  return row?.leaf_hash;
}

/** The first index whose record is at most this old; undefined when there is none. */
export async function findFirstIndexSince(
  manager: EntityManager,
  sinceMs: number,
): Promise<number | undefined> {
  const [row] = await manager.query<{ first: string | null }[]>(
    'SELECT min(log_index) AS first FROM entry WHERE occurred_at >= $1',
    [new Date(sinceMs)],
  );
  return row?.first == null ? undefined : Number(row.first);
}

const PAGE = 2_000;

/** Every entry in index order, a page in memory at a time. */
export async function* streamEntries(manager: EntityManager, fromIndex = 0): AsyncGenerator<LedgerEntry> {
  for (let next = fromIndex; ;) {
    const page = await readEntries(manager, next, PAGE);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    next = last.index + 1;
  }
}
