import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { failure } from '@keymesh/contracts';
import type { PostgresBinaries } from './binaries.js';
import { lastLines, spawnAs } from './cluster.js';
import { disarmStalePostmasterFile, findPostmaster } from './postmaster-file.js';
import { endProcess, isSameProcess, type ProcessIdentity } from './process-identity.js';
import type { SystemUser } from './system-user.js';

const START_TIMEOUT_MS = 60_000; // crash recovery replays the WAL since the last checkpoint
const LEFTOVER_CHILDREN_MS = 20_000;

export interface ServerOptions {
  readonly binaries: PostgresBinaries;
  readonly user: SystemUser | undefined;
  readonly dataDir: string;
  readonly port: number;
  /** Appended to; opened by us and inherited, so the server's user needs no access to its folder. */
  readonly logFile: string;
  /** Further settings, for tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** What every embedded server runs with. Loopback TCP only; durable; its log quotes no statement, parameter or row. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_destination: 'stderr',
  logging_collector: 'off',
  log_line_prefix: '%m [%p] %a ',
  log_statement: 'none',
  // LOG ranks above ERROR here: an error's text quotes values, and the service that got it logs its code.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_parameter_max_length_on_error: '0',
  log_error_verbosity: 'terse',
  jit: 'off',
} as const;

/**
 * Starts the server and waits until it takes connections. Recovers after kill -9, also while the killed server's children end.
 * It is no part of our process group (Ctrl-C reaches it only through us) and outlives us.
 * @throws UNAVAILABLE with the last lines of its log.
 */
export async function startServer(options: ServerOptions): Promise<ProcessIdentity> {
  const until = performance.now() + LEFTOVER_CHILDREN_MS;
  for (;;) {
    disarmStalePostmasterFile(options.dataDir);
    const outcome = await tryStart(options);
    if ('process' in outcome) return outcome.process;
    const childrenLeft = /pre-existing shared memory block|lock file .* already exists/.test(outcome.log);
    if (!childrenLeft || performance.now() > until) {
      throw failure('UNAVAILABLE', {
        publicMessage: `The embedded Postgres did not start: ${lastLines(outcome.log)}`,
      });
    }
    await delay(300);
  }
}

async function tryStart(options: ServerOptions): Promise<{ process: ProcessIdentity } | { log: string }> {
  const { binaries, user, dataDir, port, logFile } = options;
  const settings = Object.entries({ ...SETTINGS, ...options.settings, port: String(port) });
  const log = openSync(logFile, 'a', 0o600);
  const logStart = statSync(logFile).size;
  const child = spawn(
    binaries.postgres,
    ['-D', dataDir, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...spawnAs(user, dataDir), detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  const state = { ended: false };
  child.on('error', () => (state.ended = true));
  child.on('exit', () => (state.ended = true));
  child.unref();
  const until = performance.now() + START_TIMEOUT_MS;
  while (!state.ended && performance.now() < until) {
    const found = findPostmaster(dataDir);
    if (found?.ready === true && found.pid === child.pid) return { process: found.process };
    await delay(20);
  }
  if (!state.ended) child.kill('SIGQUIT');
  return { log: readFileSync(logFile).subarray(logStart).toString('utf8') };
}

/**
 * Stops a server: fast shutdown (open transactions are rolled back, a checkpoint is written), then immediate, then kill.
 * @throws UNAVAILABLE when it is there even after that.
 */
export async function stopServer(server: ProcessIdentity): Promise<void> {
  const gone = await endProcess(server, [
    ['SIGINT', 30_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ]);
  if (!gone)
    throw failure('UNAVAILABLE', { publicMessage: `Postgres (pid ${String(server.pid)}) does not end.` });
}

/** Resolves when the process has ended, by whomever. */
export async function watchForExit(known: ProcessIdentity, signal?: AbortSignal): Promise<void> {
  while (isSameProcess(known) && signal?.aborted !== true) await delay(250);
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
