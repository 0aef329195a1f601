import { Secret } from '@keymesh/kernel';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { provideBinaries } from './binaries.js';
import { ensureCluster, SUPERUSER } from './cluster.js';
import { provideDataFolder, SYSTEM_FOLDER } from './data-folder.js';
import { findPostmaster } from './postmaster-file.js';
import type { ProcessIdentity } from './process-identity.js';
import { startServer, stopServer } from './server.js';
import { chooseServerUser } from './system-user.js';

export interface EmbeddedPostgresOptions {
  /** `KEYMESH_HOME/postgres`: the data's folder, or as root a link to it. */
  readonly folder: string;
  readonly port: number;
  /** File with the superuser's password; read only to make the cluster. */
  readonly superuserPasswordFile: string;
  readonly logFile: string;
  /** Told of the slow first step and of anything unusual that was done. */
  readonly onNotice?: (text: string) => void;
  /** Where root keeps what the server's user must reach. Tests have their own. */
  readonly systemFolder?: string;
}

export interface EmbeddedPostgres {
  readonly process: ProcessIdentity;
  readonly port: number;
  readonly dataDir: string;
  /** Superuser's URL, without its password. */
  readonly adminUrl: string;
  /** Whether it ran already (the process before us was killed) and was taken over. */
  readonly adopted: boolean;
  /** Whether the cluster was made just now, so that it is empty. */
  readonly created: boolean;
  /** Fast shutdown. */
  stop(): Promise<void>;
}

/** Whether a server runs on this folder's cluster, and on which port; it may be adopted. */
export function findEmbeddedPostgres(folder: string): { process: ProcessIdentity; port: number } | undefined {
  const found = findPostmaster(join(folder, 'data'));
  return found?.ready === true ? { process: found.process, port: found.port } : undefined;
}

/**
 * Brings up the embedded Postgres: makes the cluster the first time, adopts a server that runs on it already, recovers after a
 * kill -9. For one machine only; a production mesh uses a Postgres of its own.
 * @throws UNAVAILABLE with what to do.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { folder, port, logFile, systemFolder = SYSTEM_FOLDER, onNotice = () => undefined } = options;
  const user = chooseServerUser();
  const dataDir = join(provideDataFolder(folder, user, systemFolder, onNotice), 'data');
  const running = findPostmaster(dataDir);
  if (running !== undefined) {
    if (running.ready && running.port === port)
      return describe(running.process, port, dataDir, { adopted: true, created: false });
    await stopServer(running.process);
  }
  const binaries = provideBinaries(user, systemFolder);
  const superuserPassword = Secret.fromText(
    readFileSync(options.superuserPasswordFile, 'utf8').trim(),
    'superuser-password',
  );
  const { created } = await ensureCluster({ binaries, user, dataDir, superuserPassword });
  if (created) onNotice('made a new Postgres cluster');
  const server = await startServer({ binaries, user, dataDir, port, logFile });
  return describe(server, port, dataDir, { adopted: false, created });
}

const describe = (
  server: ProcessIdentity,
  port: number,
  dataDir: string,
  how: Pick<EmbeddedPostgres, 'adopted' | 'created'>,
): EmbeddedPostgres => ({
  process: server,
  port,
  dataDir,
  adminUrl: `postgres://${SUPERUSER}@127.0.0.1:${String(port)}/postgres`,
  ...how,
  stop: () => stopServer(server),
});
