import { SERVICES, type ServiceName } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import {
  findEmbeddedPostgres,
  provisionDatabase,
  startEmbeddedPostgres,
  stopServer,
  SUPERUSER,
  watchForExit,
  type DatabasePassword,
  type EmbeddedPostgres,
} from '@keymesh/postgres/server';
import { readFileSync, rmSync } from 'node:fs';
import type { LauncherConfig } from './config.js';
import { writeWhole } from './files.js';
import type { Home } from './home.js';
import type { Running } from './keeper.js';

export const DATABASE = 'keymesh';
/** The admin's URL of an embedded server. */
export const adminUrlOn = (port: number): string =>
  `postgres://${SUPERUSER}@127.0.0.1:${String(port)}/postgres`;
export const DEPLOY_ROLE = 'keymesh_deploy';
/** Schema of a service: an SQL identifier has no hyphen. */
export const schemaOf = (service: ServiceName): string => service.replaceAll('-', '_');
export const roleOf = (service: ServiceName): string => `keymesh_${schemaOf(service)}`;

/** Reads every table, writes none: for backups. */
export const BACKUP_ROLE = 'keymesh_backup';

/** URL of a role on the same server as `adminUrl`; its parameters (TLS) stay. */
export function databaseUrlOf(adminUrl: string, role: string, database = DATABASE): string {
  const url = new URL(adminUrl);
  url.username = role;
  url.pathname = `/${database}`;
  return url.href;
}

/**
 * The port of a server that runs on this home's cluster from before we were killed, if it may stay there; one that may not is stopped.
 * @returns undefined when there is none.
 */
export async function leftoverPort(home: Home, config: LauncherConfig): Promise<number | undefined> {
  const found = findEmbeddedPostgres(home.postgres);
  if (found === undefined) return undefined;
  if (config.autoPorts || found.port === config.ports.postgres.port) return found.port;
  await stopServer(found.process);
  return undefined;
}

/** Starts (or adopts) the embedded server as a process to keep. */
export async function runPostgres(
  home: Home,
  port: number,
  say: (text: string) => void,
): Promise<Running & { readonly server: EmbeddedPostgres }> {
  const server = await startEmbeddedPostgres({
    folder: home.postgres,
    port,
    superuserPasswordFile: home.secret('postgres', 'superuser.password'),
    logFile: home.log('postgres'),
    onNotice: (text) => say(`Postgres: ${text}`),
  });
  writeWhole(home.run('postgres.json'), JSON.stringify({ ...server.process, port }));
  return {
    server,
    pid: server.process.pid,
    ended: watchForExit(server.process).then(() => ({})),
    stop: async () => {
      await server.stop();
      rmSync(home.run('postgres.json'), { force: true });
    },
  };
}

const secretIn = (file: string, label: string): Secret =>
  Secret.fromText(readFileSync(file, 'utf8').trim(), label);

/** Makes the database and roles with the passwords of this home, on the embedded server or the user's. Idempotent. */
export async function provisionRoles(
  home: Home,
  admin: { url: string } & DatabasePassword,
  database = DATABASE,
): Promise<void> {
  await provisionDatabase({
    ...admin,
    database,
    deployRole: {
      name: DEPLOY_ROLE,
      password: secretIn(home.secret('deploy', 'database.password'), 'deploy-password'),
    },
    serviceRoles: [
      ...SERVICES.map((service) => ({
        name: roleOf(service),
        password: secretIn(home.secret(service, 'database.password'), 'database-password'),
      })),
      { name: BACKUP_ROLE, password: secretIn(home.secret('vault', 'backup.password'), 'backup-password') },
    ],
  });
}
