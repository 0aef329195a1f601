import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { withChildren } from './process-cpu.js';

/** Who asks a thousand times for what it may not have would be locked: that is not what is measured. */
const WITHOUT_LOCK = { KEYMESH_DETECTOR_BURST_DENIALS: '1000000' };
const REPOSITORY = join(import.meta.dirname, '../../../..');

/** What is started for one benchmark, and how to end it. */
export interface BenchServers {
  readonly home: string;
  readonly httpPort: number;
  readonly bareUrl: string;
  /** Process ids by name, children of Postgres included. */
  pids(): Promise<Readonly<Record<string, number[]>>>;
  stop(): Promise<void>;
}

/** Starts a fresh mesh in `npm start`'s own configuration, a bare nats-server, and both echoes. */
export async function startServers(natsServer: string): Promise<BenchServers> {
  const folder = await mkdtemp(join(tmpdir(), 'keymesh-bench-'));
  const home = join(folder, '.keymesh');
  const launcher = spawn(
    process.execPath,
    [join(REPOSITORY, 'apps/cli/dist/launcher/main.js'), '--auto-ports'],
    { env: { ...process.env, ...WITHOUT_LOCK, KEYMESH_HOME: home }, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const port = await freePort();
  const bareUrl = `nats://127.0.0.1:${port}`;
  const bare = spawn(natsServer, ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const httpPort = await ready(home, launcher).catch(async (error: unknown) => {
    bare.kill();
    await endLauncher(launcher);
    throw error;
  });
  const echo = await startEcho('echo-server.js', bareUrl);
  const nest = await startEcho('nest-echo-server.js', bareUrl);
  return {
    home,
    httpPort,
    bareUrl,
    pids: async () => ({
      'bare nats': [bare.pid ?? 0],
      echo: [echo.pid ?? 0],
      'nest echo': [nest.pid ?? 0],
      client: [process.pid],
      ...(await meshPids(home)),
    }),
    stop: async () => {
      for (const child of [echo, nest, bare]) child.kill();
      await endLauncher(launcher);
    },
  };
}

/** It stops everything that it started. */
async function endLauncher(launcher: ChildProcess): Promise<void> {
  if (launcher.exitCode !== null || launcher.signalCode !== null) return;
  launcher.kill('SIGTERM');
  await once(launcher, 'exit');
}

async function ready(home: string, launcher: ChildProcess): Promise<number> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (launcher.exitCode !== null) throw new Error('the launcher ended before the mesh was ready');
    const facts = await readFile(join(home, 'mesh.json'), 'utf8').then(
      (text) => JSON.parse(text) as { httpPort: number },
      () => undefined,
    );
    const response =
      facts && (await fetch(`http://127.0.0.1:${facts.httpPort}/health/ready`).catch(() => undefined));
    if (facts && response?.status === 200) return facts.httpPort;
    await wait(200);
  }
  throw new Error('the mesh was not ready within two minutes');
}

async function startEcho(file: string, url: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, file), [url]);
  await once(child, 'message');
  return child;
}

async function meshPids(home: string): Promise<Record<string, number[]>> {
  const run = join(home, 'run');
  const files = (await readdir(run)).filter(
    (file) => file.endsWith('.json') && !file.endsWith('.ready.json'),
  );
  const entries = await Promise.all(
    files.map(async (file): Promise<[string, number[]]> => {
      const { pid } = JSON.parse(await readFile(join(run, file), 'utf8')) as { pid?: number };
      const name = file.slice(0, -'.json'.length);
      if (typeof pid !== 'number') return [name, []];
      // Postgres has a process a connection; the launcher's children are named themselves.
      return [name, name === 'postgres' ? withChildren(pid) : [pid]];
    }),
  );
  return Object.fromEntries(entries.filter(([, pids]) => pids.length > 0));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
