import 'reflect-metadata';
import { DataSource, type EntitySchema, type MigrationInterface } from 'typeorm';
import { parseDatabaseUrl, passwordReader, type DatabasePassword } from './database-url.js';
import { identifier } from './identifier.js';

/** A migration class; its name ends in its 13-digit timestamp, e.g. `CreateOutbox1795305600000`. */
export type Migration = new () => MigrationInterface;
export type Entity = (new () => object) | EntitySchema;

export interface DataSourceOptions extends DatabasePassword {
  /** `postgres://user@host:port/database`, without a password. */
  readonly url: string;
  /** The service's own schema: default of its entities and its whole search_path. */
  readonly schema: string;
  readonly entities?: readonly Entity[];
  readonly migrations?: readonly Migration[];
  /** Shown in pg_stat_activity: `keymesh-<service>`. */
  readonly applicationName: string;
  /** Connections of this process at most. Default 10. */
  readonly poolSize?: number;
  /** A statement is cut off after this. Default 10,000. */
  readonly statementTimeoutMs?: number;
  /** Told of an idle connection that broke; the pool makes a new one by itself. Its text is not for logs of secrets. */
  readonly onPoolError?: (sqlState: string) => void;
}

/**
 * Makes the data source of one service (not yet connected: call `initialize()`). The pool heals itself after Postgres was away.
 * @throws CONFIG_INVALID for a URL that is not valid.
 */
export function makeDataSource(options: DataSourceOptions): DataSource {
  const address = parseDatabaseUrl(options.url);
  const schema = identifier(options.schema);
  return new DataSource({
    type: 'postgres',
    host: address.host,
    port: address.port,
    username: address.user,
    password: passwordReader(options),
    database: address.database,
    ssl: address.ssl,
    schema: options.schema,
    entities: [...(options.entities ?? [])],
    migrations: [...(options.migrations ?? [])],
    migrationsTableName: 'migration',
    migrationsTransactionMode: 'each',
    synchronize: false,
    logging: false,
    // gen_random_uuid() is built in, and no service role may create extensions.
    installExtensions: false,
    uuidExtension: 'pgcrypto',
    applicationName: options.applicationName,
    poolSize: options.poolSize ?? 10,
    connectTimeoutMS: 3_000,
    poolErrorHandler: (error: { code?: string }) => options.onPoolError?.(error.code ?? 'none'),
    extra: {
      options: `-c search_path=${schema}`,
      statement_timeout: options.statementTimeoutMs ?? 10_000,
      idle_in_transaction_session_timeout: 60_000,
      keepAlive: true,
      idleTimeoutMillis: 60_000,
    },
  });
}
