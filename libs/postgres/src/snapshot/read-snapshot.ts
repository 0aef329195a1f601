import type { Client, QueryResultRow } from 'pg';
import { to } from 'pg-copy-streams';
import { withClient } from '../admin-client.js';
import type { DatabasePassword } from '../database-url.js';
import { identifier } from '../identifier.js';
import {
  listMigrations,
  listSequences,
  listTables,
  qualified,
  type SequenceState,
  type TableShape,
} from './catalogue.js';

export interface SnapshotOptions extends DatabasePassword {
  /** URL of a role that may read every table of these schemas. */
  readonly url: string;
  readonly schemas: readonly string[];
  readonly applicationName: string;
}

/** Every table of some schemas as of one moment. */
export interface Snapshot {
  /** Each after those that it refers to. */
  readonly tables: readonly TableShape[];
  /** Names of the applied migrations, by schema. */
  readonly migrations: Readonly<Record<string, readonly string[]>>;
  /** All rows of a table in COPY's text format, UTF-8. Read it to its end before anything else is asked. */
  copyOut(table: TableShape): AsyncIterable<Uint8Array>;
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  sequences(): Promise<SequenceState[]>;
}

/**
 * Gives `work` one snapshot of all tables: one connection, one REPEATABLE READ READ ONLY transaction, so that what is read last fits what
 * was read first, whatever is written meanwhile. Holds back vacuum for as long as it takes, and blocks nobody.
 * @throws STORE_UNAVAILABLE, or what `work` throws
 */
export async function withSnapshot<T>(
  options: SnapshotOptions,
  work: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  return withClient(options, async (client) => {
    // Texts of numbers and times must read the same whatever the server's configuration says.
    await client.query(
      `SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET client_encoding = 'UTF8';
       SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET extra_float_digits = 1`,
    );
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const result = await work(await openSnapshot(client, options.schemas));
    await client.query('COMMIT');
    return result;
  });
}

async function openSnapshot(client: Client, schemas: readonly string[]): Promise<Snapshot> {
  const tables = await listTables(client, schemas);
  const migrations: Record<string, string[]> = {};
  for (const schema of schemas) migrations[schema] = await listMigrations(client, schema);
  return {
    tables,
    migrations,
    copyOut: (table) => {
      const columns = table.columns.map(identifier).join(', ');
      return client.query(to(`COPY ${qualified(table)} (${columns}) TO STDOUT`));
    },
    query: async <Row extends QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await client.query<Row>(text, [...values])).rows,
    sequences: () => listSequences(client, schemas),
  };
}
