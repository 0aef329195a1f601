import { failure } from '@keymesh/contracts';
import type { Client } from 'pg';
import { withClient } from './admin-client.js';
import { makeDataSource, type Migration } from './data-source.js';
import type { DatabasePassword } from './database-url.js';
import { identifier } from './identifier.js';

export interface MigrateOptions extends DatabasePassword {
  /** The deploy role's URL, e.g. `postgres://keymesh_deploy@127.0.0.1:7432/keymesh`. */
  readonly url: string;
  readonly schema: string;
  /** The service's role, which gets DML and nothing else. */
  readonly role: string;
  /** In order. Forward-only: an applied one is never changed, and `down` is not used. */
  readonly migrations: readonly Migration[];
  /** Tables of which the service may neither change nor remove rows (a ledger's leaves). */
  readonly appendOnlyTables?: readonly string[];
  /** By schema, the only migrations to apply now: a restore fills the tables as they were then, and migrates on from there. */
  readonly only?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** Reads everything for backups, where it was provisioned; but no channel keys, which end with their time (DESIGN section 4). */
const BACKUP_ROLE = 'keymesh_backup';
const NEVER_BACKED_UP = ['channel_key', 'channel_key_handover'];

/**
 * Brings one schema up to date as the deploy role and grants the service its DML. Idempotent; runs at the same time wait for
 * each other (advisory lock), so that every instance of a deployment may call it.
 * @throws STORE_UNAVAILABLE, or INTERNAL when a migration fails (its transaction is rolled back, the ones before it stay).
 */
export async function migrateSchema(options: MigrateOptions): Promise<void> {
  const schema = identifier(options.schema);
  await withClient({ ...options, applicationName: `keymesh-migrate-${options.schema}` }, async (client) => {
    // INVARIANT: held by this session until it ends; a killed migration frees it with its connection.
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [
      `keymesh/migrate/${options.schema}`,
    ]);
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await runMigrations({ ...options, migrations: wantedMigrations(options) });
    await grant(client, options);
    await grantBackup(client, schema);
  });
}

function wantedMigrations({ migrations, schema, only }: MigrateOptions): readonly Migration[] {
  const names = only?.[schema];
  if (names === undefined) return migrations;
  const unknown = names.find((name) => !migrations.some((migration) => migration.name === name));
  if (unknown !== undefined)
    throw failure('BACKUP_INVALID', {
      publicMessage: `The backup is of a newer release: the schema ${schema} has no migration ${unknown} here. Upgrade first.`,
    });
  return migrations.filter(({ name }) => names.includes(name));
}

async function runMigrations(options: MigrateOptions): Promise<void> {
  const dataSource = makeDataSource({
    ...options,
    applicationName: `keymesh-migrate-${options.schema}`,
    poolSize: 2,
    statementTimeoutMs: 0,
  });
  await dataSource.initialize();
  try {
    await dataSource.runMigrations();
  } finally {
    await dataSource.destroy();
  }
}

async function grant(client: Client, options: MigrateOptions): Promise<void> {
  const schema = identifier(options.schema);
  const role = identifier(options.role);
  const appendOnly = await presentTables(
    client,
    (options.appendOnlyTables ?? []).map((table) => `${schema}.${identifier(table)}`),
  );
  await client.query(
    [
      'BEGIN',
      `REVOKE ALL ON SCHEMA ${schema} FROM PUBLIC`,
      `GRANT USAGE ON SCHEMA ${schema} TO ${role}`,
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role}`,
      `GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role}`,
      `ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${role}`,
      `ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT USAGE, SELECT ON SEQUENCES TO ${role}`,
      `REVOKE INSERT, UPDATE, DELETE ON ${schema}.migration FROM ${role}`,
      ...appendOnly.map((table) => `REVOKE UPDATE, DELETE ON ${table} FROM ${role}`),
      'COMMIT',
    ].join('; '),
  );
}

/** A restore migrates to an earlier level first, which has fewer tables. */
async function presentTables(client: Client, tables: readonly string[]): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL',
    [tables],
  );
  return rows.map(({ name }) => name);
}

async function grantBackup(client: Client, schema: string): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [BACKUP_ROLE]);
  if (rowCount === 0) return;
  const role = identifier(BACKUP_ROLE);
  await client.query(
    [
      'BEGIN',
      `GRANT USAGE ON SCHEMA ${schema} TO ${role}`,
      `GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${role}`,
      `GRANT SELECT ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role}`,
      `ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT SELECT ON TABLES TO ${role}`,
      'COMMIT',
    ].join('; '),
  );
  for (const table of NEVER_BACKED_UP) {
    const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
      `${schema}.${table}`,
    ]);
    if (rows[0]?.there === true) await client.query(`REVOKE ALL ON ${schema}.${table} FROM ${role}`);
  }
}
