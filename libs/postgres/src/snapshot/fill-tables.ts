import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from 'pg';
import { from } from 'pg-copy-streams';
import { withClient } from '../admin-client.js';
import type { DatabasePassword } from '../database-url.js';
import { identifier } from '../identifier.js';
import { listMigrations, listTables, qualified, type SequenceState, type TableShape } from './catalogue.js';

export interface FillOptions extends DatabasePassword {
  /** URL of the role that owns the tables. */
  readonly url: string;
  readonly schemas: readonly string[];
  readonly applicationName: string;
}

/** Tables that are being filled, in one transaction. */
export interface TableFilling {
  /** The tables that are there. */
  readonly tables: readonly TableShape[];
  readonly migrations: Readonly<Record<string, readonly string[]>>;
  /** Takes every row out of these tables. */
  empty(tables: readonly Pick<TableShape, 'schema' | 'table'>[]): Promise<void>;
  /** Puts rows in that {@link file://./read-snapshot.ts} read. @returns how many. */
  copyIn(table: TableShape, rows: AsyncIterable<Uint8Array>): Promise<number>;
  setSequence(state: SequenceState): Promise<void>;
  /** Looks at what is there before it is changed; a throw of `judge` ends the transaction. */
  check(text: string, judge: (rows: readonly Readonly<Record<string, unknown>>[]) => void): Promise<void>;
}

/**
 * Fills tables in one transaction: all of it is there when this resolves, or nothing was changed.
 * @throws STORE_UNAVAILABLE, INTERNAL when rows do not fit their table, or what `work` throws
 */
export async function fillTables(
  options: FillOptions,
  work: (filling: TableFilling) => Promise<void>,
): Promise<void> {
  await withClient(options, async (client) => {
    await client.query(
      `SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET client_encoding = 'UTF8';
       SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'`,
    );
    await client.query('BEGIN');
    await work(await openFilling(client, options.schemas));
    await client.query('COMMIT');
  });
}

async function openFilling(client: Client, schemas: readonly string[]): Promise<TableFilling> {
  const migrations: Record<string, string[]> = {};
  for (const schema of schemas) migrations[schema] = await listMigrations(client, schema);
  return {
    tables: await listTables(client, schemas),
    migrations,
    empty: async (tables) => {
      if (tables.length > 0) await client.query(`TRUNCATE ${tables.map(qualified).join(', ')}`);
    },
    copyIn: async (table, rows) => {
      const columns = table.columns.map(identifier).join(', ');
      const sink = client.query(from(`COPY ${qualified(table)} (${columns}) FROM STDIN`));
      await pipeline(Readable.from(rows, { objectMode: false }), sink);
      return sink.rowCount;
    },
    check: async (text, judge) => judge((await client.query<Record<string, unknown>>(text)).rows),
    setSequence: async ({ schema, sequence, lastValue, isCalled }) => {
      await client.query('SELECT setval($1::regclass, $2::bigint, $3)', [
        `${identifier(schema)}.${identifier(sequence)}`,
        lastValue,
        isCalled,
      ]);
    },
  };
}
