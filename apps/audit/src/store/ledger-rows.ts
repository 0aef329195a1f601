import type { EntityManager } from 'typeorm';
import type { JournaledLeaf } from '../domain/assess-packs.js';
import type { Repeat } from '../domain/first-occurrences.js';

/** Leaf hashes of those event ids that the ledger has. */
export async function findKnownEvents(
  manager: EntityManager,
  eventIds: readonly string[],
): Promise<Map<string, Uint8Array>> {
  if (eventIds.length === 0) return new Map();
  const rows = await manager.query<{ event_id: string; leaf_hash: Buffer }[]>(
    'SELECT event_id, leaf_hash FROM entry WHERE event_id = ANY($1::uuid[])',
    [eventIds],
  );
  return new Map(rows.map((row) => [row.event_id, row.leaf_hash]));
}

// All leaves travel as one binary parameter and are cut apart by the server: as an array each byte would be sent as two hex digits.
const INSERT_ENTRIES = `
  INSERT INTO entry (log_index, leaf, leaf_hash, event_id, journal_sequence, type, occurred_at, principal, resource_id, trace_id)
  SELECT $1::bigint + r.n, substring($2::bytea FROM r.f FOR r.s), substring($3::bytea FROM r.n * 32 + 1 FOR 32),
         r.e, r.j, r.t, r.a, r.p, r.r, r.x
  FROM json_to_recordset($4::json)
    AS r(n int, f int, s int, e uuid, j bigint, t text, a timestamptz, p text, r text, x text)`;

/** Adds entries with consecutive indexes from `firstIndex` on. */
export async function insertEntries(
  manager: EntityManager,
  firstIndex: number,
  leaves: readonly JournaledLeaf[],
): Promise<void> {
  if (leaves.length === 0) return;
  let from = 1;
  const rows = leaves.map(({ leaf, facts, journalSequence }, n) => {
    const start = from;
    from += leaf.length;
    const { eventId, type, time, principal, resourceId, traceId } = facts;
    return {
      n,
      f: start,
      s: leaf.length,
      e: eventId,
      j: journalSequence,
      t: type,
      a: time,
      p: principal,
      r: resourceId,
      x: traceId,
    };
  });
  await manager.query(INSERT_ENTRIES, [
    firstIndex,
    Buffer.concat(leaves.map(({ leaf }) => leaf)),
    Buffer.concat(leaves.map(({ leafHash }) => leafHash)),
    JSON.stringify(rows),
  ]);
}

/** Adds the readable values beside entries. They may be erased later; the tree does not change by that. */
export async function insertBeside(
  manager: EntityManager,
  firstIndex: number,
  leaves: readonly JournaledLeaf[],
): Promise<void> {
  const rows = leaves.flatMap(({ beside }, n) =>
    beside === undefined ? [] : [{ i: firstIndex + n, b: storable(beside) }],
  );
  if (rows.length === 0) return;
  await manager.query(
    'INSERT INTO beside (log_index, readable) SELECT r.i, r.b FROM json_to_recordset($1::json) AS r(i bigint, b jsonb)',
    [JSON.stringify(rows)],
  );
}

// jsonb takes neither NUL nor half a surrogate pair; a batch must not fail on what one producer wrote.
const storable = (beside: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(beside).map(([name, text]) => [wellFormed(name), wellFormed(text)]));

const wellFormed = (text: string): string => text.replaceAll('\0', '').toWellFormed();

/** Marks repeats of events that the ledger has. */
export async function insertRepeats(manager: EntityManager, repeats: readonly Repeat[]): Promise<void> {
  if (repeats.length === 0) return;
  const rows = repeats.map(({ eventId, journalSequence }) => ({ e: eventId, j: journalSequence }));
  await manager.query(
    `INSERT INTO repeat (event_id, journal_sequence)
     SELECT r.e, r.j FROM json_to_recordset($1::json) AS r(e uuid, j bigint) ON CONFLICT DO NOTHING`,
    [JSON.stringify(rows)],
  );
}
