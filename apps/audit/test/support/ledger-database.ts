import { makeSigningKey, systemClock, type SigningKey } from '@keymesh/kernel';
import { makeDataSource, migrateSchema } from '@keymesh/postgres';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import { APPEND_ONLY_TABLES, MIGRATIONS } from '../../src/migrations/index.js';
import { makeLedgerWriter, type LedgerWriter } from '../../src/operations/integrate-packs.js';

type DataSource = ReturnType<typeof makeDataSource>;

/** A ledger in a real Postgres, without a bus. */
export interface LedgerDatabase {
  readonly postgres: TestPostgres;
  readonly dataSource: DataSource;
  /** Signs packs of every service. */
  readonly key: SigningKey;
  /** A writer over this data source or another one. */
  makeWriter(over?: DataSource): LedgerWriter;
  /** As the owner of the tables, who can do what the service's role cannot. */
  asOwner(statement: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startLedgerDatabase(): Promise<LedgerDatabase> {
  const postgres = await startTestPostgres();
  const { password } = postgres;
  await migrateSchema({
    url: postgres.deployUrl,
    password,
    schema: 'audit',
    role: 'keymesh_audit',
    migrations: MIGRATIONS,
    appendOnlyTables: APPEND_ONLY_TABLES,
  });
  const url = postgres.urlOf('audit');
  const dataSource = makeDataSource({ url, password, schema: 'audit', applicationName: 'spec' });
  const owner = makeDataSource({
    url: postgres.deployUrl,
    password,
    schema: 'audit',
    applicationName: 'spec',
  });
  await Promise.all([dataSource.initialize(), owner.initialize()]);
  const { key } = makeSigningKey();
  return {
    postgres,
    dataSource,
    key,
    makeWriter: (over = dataSource) =>
      makeLedgerWriter({ dataSource: over, clock: systemClock, keysOf: () => [key.publicKey] }),
    asOwner: async (statement) => {
      await owner.query(statement);
    },
    stop: async () => {
      await owner.destroy();
      await dataSource.destroy();
      await postgres.stop();
    },
  };
}

/**
 * The same data source, whose transactions fail before their nth query, as when the process or the connection ends there.
 * `queries` counts those that were made.
 */
export function failingAt(
  dataSource: DataSource,
  nth: number,
): { dataSource: DataSource; queries: () => number } {
  let queries = 0;
  const transaction = (work: (manager: unknown) => Promise<unknown>): Promise<unknown> =>
    dataSource.transaction((manager) =>
      work(
        new Proxy(manager, {
          get: (target, property): unknown =>
            property === 'query'
              ? (text: string, parameters?: unknown[]) => {
                  queries += 1;
                  return queries === nth
                    ? Promise.reject(new Error('planted failure'))
                    : target.query(text, parameters);
                }
              : Reflect.get(target, property),
        }),
      ),
    );
  const failing = new Proxy(dataSource, {
    get: (target, property): unknown =>
      property === 'transaction' ? transaction : Reflect.get(target, property),
  });
  return { dataSource: failing, queries: () => queries };
}
