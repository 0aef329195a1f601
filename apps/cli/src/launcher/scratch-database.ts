import { failure, SERVICES } from '@keymesh/contracts';
import { withClient, type DatabasePassword } from '@keymesh/postgres/server';
import type { LauncherConfig } from './config.js';
import type { Home } from './home.js';
import { DATABASE, provisionRoles } from './postgres.js';
import { migrationEnvironment } from './service-environment.js';
import { programOf, runTask } from './task.js';

/** The database that a backup is loaded into. Nobody serves it; one that was left by an interrupted restore is dropped. */
export const SCRATCH = 'keymesh_restoring';

/** The server's admin. */
export type Admin = { readonly url: string } & DatabasePassword;

const asAdmin = <T>(admin: Admin, work: Parameters<typeof withClient<T>>[1]): Promise<T> =>
  withClient({ ...admin, applicationName: 'keymesh-restore' }, work);

/** Makes it, with the roles of the mesh and no tables. */
export async function makeScratch(home: Home, admin: Admin): Promise<void> {
  await dropScratch(admin);
  await provisionRoles(home, admin, SCRATCH);
}

/** Brings its tables to these migrations, or (absent) to the newest. One schema after the other: a restore is in no hurry. */
export async function migrateDatabase(
  { config, home, admin }: { readonly config: LauncherConfig; readonly home: Home; readonly admin: Admin },
  database: string,
  only?: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  const env = {
    ...migrationEnvironment(config, home, admin.url, database),
    ...(only === undefined ? {} : { KEYMESH_MIGRATE_ONLY: JSON.stringify(only) }),
  };
  for (const service of SERVICES)
    await runTask(programOf(config, service, 'migrate'), env, `Migrating the schema of ${service}`);
}

export const dropScratch = (admin: Admin): Promise<void> =>
  asAdmin(admin, async (client) => {
    await client.query(`DROP DATABASE IF EXISTS ${SCRATCH} WITH (FORCE)`);
  });

/** Whether the mesh's database has a mesh in it, and which restore made it so. */
export async function lookAtDatabase(
  admin: Admin,
): Promise<{ readonly exists: boolean; readonly hasMesh: boolean; readonly restoreId: string | undefined }> {
  const exists = await asAdmin(admin, async (client) => {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    return (rowCount ?? 0) > 0;
  });
  if (!exists) return { exists, hasMesh: false, restoreId: undefined };
  return withClient({ ...admin, database: DATABASE, applicationName: 'keymesh-restore' }, async (client) => {
    const { rows: tables } = await client.query<{ keys: boolean; epochs: boolean }>(
      `SELECT to_regclass('vault.system_key') IS NOT NULL AS keys, to_regclass('vault.restore_epoch') IS NOT NULL AS epochs`,
    );
    const [there] = tables;
    const { rowCount } =
      there?.keys === true ? await client.query('SELECT 1 FROM vault.system_key LIMIT 1') : { rowCount: 0 };
    const { rows } =
      there?.epochs === true
        ? await client.query<{ restore_id: string }>(
            'SELECT restore_id FROM vault.restore_epoch ORDER BY epoch DESC LIMIT 1',
          )
        : { rows: [] };
    return { exists, hasMesh: (rowCount ?? 0) > 0, restoreId: rows[0]?.restore_id };
  });
}

/**
 * Puts the scratch database in the place of the mesh's, in one transaction of the server: before it the mesh is what it was, after it
 * what the backup says. The former one stays beside it.
 * @returns the name that the former one has now; undefined when there was none.
 * @throws UNAVAILABLE when somebody still works on the mesh's database.
 */
export async function swapDatabases(admin: Admin, restoreId: string): Promise<string | undefined> {
  const former = `${DATABASE}_before_${restoreId.replaceAll('-', '').slice(-12)}`;
  return asAdmin(admin, async (client) => {
    await refuseWhileUsed(client);
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    const hadOne = (rowCount ?? 0) > 0;
    await client.query('BEGIN');
    if (hadOne) await client.query(`ALTER DATABASE ${DATABASE} RENAME TO ${former}`);
    await client.query(`ALTER DATABASE ${SCRATCH} RENAME TO ${DATABASE}`);
    await client.query('COMMIT');
    return hadOne ? former : undefined;
  });
}

async function refuseWhileUsed(client: Parameters<Parameters<typeof withClient>[1]>[0]): Promise<void> {
  const { rows } = await client.query<{ application_name: string }>(
    `SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'`,
    [DATABASE],
  );
  if (rows.length === 0) return;
  throw failure('UNAVAILABLE', {
    publicMessage: `Somebody works on the mesh's database (${rows.map((row) => row.application_name).join(', ')}). Stop the services, then restore again.`,
  });
}
