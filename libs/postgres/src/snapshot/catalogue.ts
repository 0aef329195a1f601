import type { Client } from 'pg';
import { identifier } from '../identifier.js';

/** A table with the columns that hold data of its own, in their order. */
export interface TableShape {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly string[];
}

/** Where a sequence stands. */
export interface SequenceState {
  readonly schema: string;
  readonly sequence: string;
  /** As text: it is a bigint. */
  readonly lastValue: string;
  readonly isCalled: boolean;
}

/** `"schema"."table"` */
export const qualified = ({ schema, table }: Pick<TableShape, 'schema' | 'table'>): string =>
  `${identifier(schema)}.${identifier(table)}`;

// Generated columns make themselves again.
const TABLES = `
  SELECT n.nspname AS schema, c.relname AS table, array_agg(a.attname::text ORDER BY a.attnum) AS columns
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY($1)
  GROUP BY 1, 2 ORDER BY 1, 2`;

const REFERENCES = `
  SELECT DISTINCT n.nspname AS schema, t.relname AS table,
    rn.nspname AS "toSchema", rt.relname AS "toTable"
  FROM pg_constraint c
  JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
  JOIN pg_class rt ON rt.oid = c.confrelid JOIN pg_namespace rn ON rn.oid = rt.relnamespace
  WHERE c.contype = 'f' AND c.conrelid <> c.confrelid AND n.nspname = ANY($1)`;

/** Every table of these schemas, each after those that it refers to: in this order they can be filled. */
export async function listTables(client: Client, schemas: readonly string[]): Promise<TableShape[]> {
  const { rows } = await client.query<TableShape>(TABLES, [schemas]);
  const { rows: references } = await client.query<{
    schema: string;
    table: string;
    toSchema: string;
    toTable: string;
  }>(REFERENCES, [schemas]);
  const ordered: TableShape[] = [];
  let waiting = rows;
  while (waiting.length > 0) {
    const blocked = (shape: TableShape): boolean =>
      references.some(
        (reference) =>
          reference.schema === shape.schema &&
          reference.table === shape.table &&
          waiting.some(({ schema, table }) => schema === reference.toSchema && table === reference.toTable),
      );
    const free = waiting.filter((shape) => !blocked(shape));
    if (free.length === 0) throw new Error('the tables refer to each other in a circle');
    ordered.push(...free);
    waiting = waiting.filter(blocked);
  }
  return ordered;
}

/** The sequences of these schemas as they stand now: never below what the current snapshot's rows have used. */
export async function listSequences(client: Client, schemas: readonly string[]): Promise<SequenceState[]> {
  const { rows } = await client.query<{ schema: string; sequence: string }>(
    'SELECT schemaname AS schema, sequencename AS sequence FROM pg_sequences WHERE schemaname = ANY($1) ORDER BY 1, 2',
    [schemas],
  );
  const states: SequenceState[] = [];
  for (const { schema, sequence } of rows) {
    const { rows: state } = await client.query<{ lastValue: string; isCalled: boolean }>(
      `SELECT last_value::text AS "lastValue", is_called AS "isCalled" FROM ${identifier(schema)}.${identifier(sequence)}`,
    );
    if (state[0] !== undefined) states.push({ schema, sequence, ...state[0] });
  }
  return states;
}

/** Names of the migrations that were applied to a schema, in order; none where there is no such schema. */
export async function listMigrations(client: Client, schema: string): Promise<string[]> {
  const table = `${identifier(schema)}.migration`;
  const { rows: there } = await client.query<{ there: boolean }>(
    'SELECT to_regclass($1) IS NOT NULL AS there',
    [table],
  );
  if (there[0]?.there !== true) return [];
  const { rows } = await client.query<{ name: string }>(`SELECT name FROM ${table} ORDER BY id`);
  return rows.map(({ name }) => name);
}
