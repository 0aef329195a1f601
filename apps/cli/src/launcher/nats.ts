import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { failure, renderAccountsBlock, renderNatsConfig } from '@keymesh/contracts';
import {
  endProcess,
  identifyProcess,
  isSameProcess,
  watchForExit,
  type ProcessIdentity,
} from '@keymesh/postgres/server';
import type { LauncherConfig } from './config.js';
import { readIfThere, readJson, writeWhole } from './files.js';
import type { Home } from './home.js';
import type { Identities } from './identities.js';
import type { Running } from './keeper.js';
import type { ServerTls } from './nats-tls.js';

const START_TIMEOUT_MS = 60_000; // a large JetStream store takes its time to recover
const STOP_STEPS = [
  ['SIGTERM', 15_000],
  ['SIGKILL', 5_000],
] as const;

interface RunFile extends ProcessIdentity {
  readonly port: number;
}

/** The server of an earlier launcher that still runs. */
const findLeftover = (home: Home): RunFile | undefined => {
  const file = readJson(home.run('nats.json')) as RunFile | undefined;
  return file !== undefined && isSameProcess(file) ? file : undefined;
};

/** Port of a server left from before we were killed, if it may stay there; one that may not is stopped. */
export async function leftoverNatsPort(home: Home, config: LauncherConfig): Promise<number | undefined> {
  const found = findLeftover(home);
  if (found === undefined) return undefined;
  if (config.autoPorts || found.port === config.ports.nats.port) return found.port;
  await endProcess(found, STOP_STEPS);
  return undefined;
}

/** Writes the accounts block for a server of the user's own (`keymesh nats-config`). */
export const writeAccounts = (home: Home, identities: Identities): void =>
  writeWhole(home.nats.accounts, renderAccountsBlock(identities.nats));

/**
 * Starts nats-server, or adopts the one that an earlier launcher started with the very same configuration.
 * @throws UNAVAILABLE with the last lines of its log.
 */
export async function runNats(
  home: Home,
  options: {
    readonly binary: string;
    readonly port: number;
    readonly identities: Identities;
    readonly tls: ServerTls | undefined;
  },
): Promise<Running> {
  const { binary, port, identities, tls } = options;
  const text = renderNatsConfig({
    host: '127.0.0.1',
    port,
    jetstreamDir: home.nats.jetstream,
    ...identities.nats,
    ...(tls === undefined ? {} : { tls }),
  });
  const leftover = findLeftover(home);
  if (leftover !== undefined) {
    if (leftover.port === port && readIfThere(home.nats.config) === text && (await takesConnections(port))) {
      return keep(home, leftover);
    }
    await endProcess(leftover, STOP_STEPS);
  }
  writeWhole(home.nats.config, text);
  const started = await start(binary, home, port);
  writeWhole(home.run('nats.json'), JSON.stringify({ ...started, port }));
  return keep(home, started);
}

const keep = (home: Home, server: ProcessIdentity): Running => ({
  pid: server.pid,
  ended: watchForExit(server).then(() => ({})),
  stop: async () => {
    await endProcess(server, STOP_STEPS);
    rmSync(home.run('nats.json'), { force: true });
  },
});

async function start(binary: string, home: Home, port: number): Promise<ProcessIdentity> {
  const log = openSync(home.log('nats'), 'a', 0o600);
  const logStart = statSync(home.log('nats')).size;
  // A group of its own: Ctrl-C reaches it only through us, after the services have stopped. Nothing of our environment.
  const child = spawn(binary, ['-c', home.nats.config], {
    cwd: home.root,
    env: {},
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const state = { problem: '' };
  child.on('error', (error) => (state.problem = `${binary} could not be run (${error.message})`));
  child.on('exit', (code, signal) => (state.problem = `it ended with ${String(signal ?? code)}`));
  child.unref();
  const until = performance.now() + START_TIMEOUT_MS;
  while (state.problem === '' && performance.now() < until) {
    const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
    if (identity !== undefined && (await takesConnections(port))) return identity;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  child.kill('SIGKILL');
  const log2 = readFileSync(home.log('nats'))
    .subarray(logStart)
    .toString('utf8')
    .trim()
    .split('\n')
    .slice(-2);
  throw failure('UNAVAILABLE', {
    publicMessage: `nats-server did not start: ${state.problem || 'it does not answer'}. ${log2.join(' | ')}`,
  });
}

/** Whether a NATS server greets us there (it sends INFO first). */
function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: '127.0.0.1', port });
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => done(false));
    socket.once('error', () => done(false));
    socket.once('data', (data) => done(data.toString('latin1').startsWith('INFO ')));
  });
}
