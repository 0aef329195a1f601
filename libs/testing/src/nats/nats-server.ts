import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../eventually.js';

const START_TIMEOUT_MS = 15_000;

export interface NatsPlace {
  readonly port: number;
  readonly jetstreamDir: string;
}

/** A real nats-server on a free port of the loopback, with its data in a temporary folder. */
export interface TestNatsServer {
  readonly url: string;
  readonly port: number;
  readonly logFile: string;
  readonly pid: () => number;
  /** kill -9, and waits until the process is gone. The data stay. */
  kill(): Promise<void>;
  /** Starts again on the same port and data. */
  restart(): Promise<void>;
  /** Stops it and removes its data. Idempotent. */
  stop(): Promise<void>;
}

export interface StartNatsServerOptions {
  /** The configuration for a port (-1: any) and a data folder. Default: JetStream with `sync_interval: always`, no authentication. */
  readonly config?: (place: NatsPlace) => string;
}

const plainConfig = ({ port, jetstreamDir }: NatsPlace): string =>
  `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(jetstreamDir)}, sync_interval: always, max_file_store: 34359738368 }\n`;

/** Path of the binary: NATS_SERVER, else the project's own download, else whatever PATH has. */
function natsServerBinary(): string {
  const own = join(import.meta.dirname, '../../../../.keymesh-tools/nats-server');
  return process.env.NATS_SERVER ?? (existsSync(own) ? own : 'nats-server');
}

/** Starts a nats-server for specs. Stop it in `afterAll`; it also ends with this process. */
export async function startNatsServer(options: StartNatsServerOptions = {}): Promise<TestNatsServer> {
  const folder = await mkdtemp(join(tmpdir(), 'keymesh-nats-'));
  const jetstreamDir = join(folder, 'jetstream');
  const logFile = join(folder, 'nats.log');
  const configFile = join(folder, 'server.conf');
  const makeConfig = options.config ?? plainConfig;
  let child: ChildProcess | undefined;
  let guard: ChildProcess | undefined;
  let port = -1;

  const start = async (): Promise<void> => {
    await writeFile(configFile, makeConfig({ port, jetstreamDir }));
    child = spawn(natsServerBinary(), ['-c', configFile, '-l', logFile, '--ports_file_dir', folder], {
      stdio: 'ignore',
    });
    child.once('error', () => undefined); // seen as a start that times out
    child.unref(); // a spec that forgets it still ends, and takes it along
    guard = guardAgainstOrphan(child.pid);
    port = await readPort(folder, child, logFile);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    guard?.kill('SIGKILL');
    child.ref();
    const gone = new Promise((resolve) => child?.once('exit', resolve));
    child.kill(signal);
    await gone;
  };
  const killWithUs = (): void => void child?.kill('SIGKILL');
  process.once('exit', killWithUs);

  await mkdir(jetstreamDir, { recursive: true });
  await start();
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    logFile,
    pid: () => child?.pid ?? -1,
    kill: () => end('SIGKILL'),
    restart: start,
    async stop() {
      process.off('exit', killWithUs);
      await end('SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A shell that waits for the end of its standard input, which is ours: even when we are killed it ends the server. */
function guardAgainstOrphan(pid: number | undefined): ChildProcess | undefined {
  if (pid === undefined) return undefined;
  const guard = spawn('sh', ['-c', 'read _; kill -9 "$1"', 'sh', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  (guard.stdin as Socket).unref();
  return guard;
}

/** The server writes the port that it got to a file named after its pid, once it accepts connections. */
async function readPort(folder: string, child: ChildProcess, logFile: string): Promise<number> {
  return eventually(
    async () => {
      const file = (await readdir(folder)).find((name) => name.endsWith(`_${child.pid ?? ''}.ports`));
      if (file === undefined) {
        const log = await readFile(logFile, 'utf8').catch(() => 'no log: is nats-server installed?');
        throw new Error(`nats-server did not start: ${log.slice(-2_000)}`);
      }
      const ports = JSON.parse(await readFile(join(folder, file), 'utf8')) as { nats: string[] };
      return Number(new URL(ports.nats[0] ?? '').port);
    },
    { timeoutMs: START_TIMEOUT_MS },
  );
}
