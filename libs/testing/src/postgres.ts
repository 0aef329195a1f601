import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Secret } from '@keymesh/kernel';
import {
  chooseServerUser,
  endProcess,
  ensureCluster,
  isSameProcess,
  makeFolderFor,
  provideBinaries,
  provisionDatabase,
  startServer,
  SUPERUSER,
  type PostgresBinaries,
  type ProcessIdentity,
  type SystemUser,
} from '@keymesh/postgres/server';

/** Schemas of the five services; the role of each is `keymesh_<schema>`. */
export const TEST_SCHEMAS = ['vault', 'policy', 'audit', 'rotation', 'anomaly_detector'] as const;
export type TestSchema = (typeof TEST_SCHEMAS)[number];

const TEMPLATE = 'template-2';
const PASSWORD = 'test-only-password';
/** As in production but for what only a power cut could show (an acknowledged commit survives kill -9); small, because several run at once. */
const SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  shared_buffers: '16MB',
  max_wal_size: '128MB',
  autovacuum: 'off',
};

/** A real Postgres of one spec file: database `keymesh`, the deploy role and the services' roles, no schema yet. */
export interface TestPostgres {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly adminUrl: string;
  readonly deployUrl: string;
  /** One password for every role here. */
  readonly password: Secret;
  readonly passwordFile: string;
  urlOf(schema: TestSchema): string;
  roleOf(schema: TestSchema): string;
  /** The server that runs now. */
  readonly process: ProcessIdentity;
  /** kill -9 of the server; its connections break. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port, after `kill()`. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/**
 * Starts a Postgres with data copied from a template that the first run makes (~5 s; then ~0.5 s). It ends with this process
 * even if that is killed. As root it runs as another user.
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const user = chooseServerUser();
  const cache = cacheFolder();
  const binaries = provideBinaries(user, cache);
  const template = await ensureTemplate(binaries, user, cache);
  const run = mkdtempSync(join(cache, 'run-'));
  makeFolderFor(user, run);
  const dataDir = join(run, 'data');
  execFileSync('cp', ['-a', template, dataDir]);
  const passwordFile = join(run, 'password');
  writeFileSync(passwordFile, PASSWORD, { mode: 0o600 });
  const { port, server } = await startOnFreePort({ binaries, user, dataDir, logFile: join(run, 'log') });
  const guard = startGuard(dataDir);
  let current = server;
  const url = (role: string, database = 'keymesh'): string =>
    `postgres://${role}@127.0.0.1:${String(port)}/${database}`;
  return {
    host: '127.0.0.1',
    port,
    adminUrl: url(SUPERUSER, 'postgres'),
    deployUrl: url('keymesh_deploy'),
    password: Secret.fromText(PASSWORD, 'test-password'),
    passwordFile,
    roleOf: (schema) => `keymesh_${schema}`,
    urlOf: (schema) => url(`keymesh_${schema}`),
    get process() {
      return current;
    },
    kill: async () => {
      await endProcess(current, [['SIGKILL', 10_000]]);
    },
    restart: async () => {
      if (isSameProcess(current)) throw new Error('it still runs: kill() it first');
      current = await startServer({
        binaries,
        user,
        dataDir,
        port,
        logFile: join(run, 'log'),
        settings: SETTINGS,
      });
    },
    stop: async () => {
      await endProcess(current, [
        ['SIGQUIT', 5_000], // nobody will read this data again
        ['SIGKILL', 5_000],
      ]);
      guard.stdin?.end();
      rmSync(run, { recursive: true, force: true });
    },
  };
}

// Reachable by the server's user, ours alone to write.
function cacheFolder(): string {
  const uid = process.getuid?.() ?? 0;
  const folder = join(realpathSync(tmpdir()), `keymesh-test-${String(uid)}`);
  mkdirSync(folder, { recursive: true });
  if (statSync(folder).uid !== uid) throw new Error(`${folder} belongs to somebody else`);
  chmodSync(folder, 0o711);
  return folder;
}

async function ensureTemplate(
  binaries: PostgresBinaries,
  user: SystemUser | undefined,
  cache: string,
): Promise<string> {
  const name = `${TEMPLATE}-${binaries.version}`;
  const finished = join(cache, name, 'data');
  if (existsSync(finished)) return finished;
  const making = mkdtempSync(join(cache, 'making-'));
  makeFolderFor(user, making);
  const dataDir = join(making, 'data');
  const password = Secret.fromText(PASSWORD, 'test-password');
  await ensureCluster({ binaries, user, dataDir, superuserPassword: password, withoutSync: true });
  const { port, server } = await startOnFreePort({ binaries, user, dataDir, logFile: join(making, 'log') });
  try {
    await provisionDatabase({
      url: `postgres://${SUPERUSER}@127.0.0.1:${String(port)}/postgres`,
      password,
      deployRole: { name: 'keymesh_deploy', password },
      serviceRoles: TEST_SCHEMAS.map((schema) => ({ name: `keymesh_${schema}`, password })),
    });
  } finally {
    await endProcess(server, [['SIGINT', 20_000]]);
  }
  try {
    renameSync(making, dirname(finished));
  } catch {
    rmSync(making, { recursive: true, force: true }); // another worker was first
  }
  return finished;
}

interface Place {
  readonly binaries: PostgresBinaries;
  readonly user: SystemUser | undefined;
  readonly dataDir: string;
  readonly logFile: string;
}

// Between finding a free port and using it another may take it.
async function startOnFreePort(place: Place): Promise<{ port: number; server: ProcessIdentity }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    try {
      return { port, server: await startServer({ ...place, port, settings: SETTINGS }) };
    } catch (error) {
      const log = readFileSync(place.logFile, 'utf8');
      if (attempt === 5 || !log.includes('Address already in use')) throw error;
    }
  }
}

/** A TCP port of 127.0.0.1 that was free just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port'));
        else resolve(address.port);
      });
    });
  });
}

const GUARD = `cat >/dev/null; p=$(head -n1 "$1/postmaster.pid" 2>/dev/null) || exit 0
if [ ! -d /proc/self ] || [ "$(readlink "/proc/$p/cwd")" = "$1" ]; then kill -QUIT "$p"; fi; sleep 1; rm -rf "$2"`;

/** Lives until its standard input closes, i.e. until this process ends in whatever way; then ends the server. */
function startGuard(dataDir: string): ChildProcess {
  const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', dataDir, dirname(dataDir)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  (guard.stdin as unknown as { unref?: () => void }).unref?.();
  return guard;
}
