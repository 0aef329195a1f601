import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileCache, eventually, workerPorts } from '@keymesh/testing';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');
const LAUNCHER = join(ROOT, 'apps/cli/dist/launcher/main.js');
const NODE = join(ROOT, 'node_modules/node/bin/node');

export interface Status {
  readonly status: string;
  readonly pid: number;
  readonly rootKey: string;
  readonly services: Record<string, { state: string; pid?: number; restarts?: number; httpPort?: number }>;
}

/** One start of the launcher, as a person's terminal sees it. */
export interface Launched {
  readonly child: ChildProcess;
  output(): string;
  /** Waits until it has printed `Keymesh is ready`. @throws with its output when it ended instead. */
  ready(timeoutMs?: number): Promise<void>;
  /** Waits for its end. @returns the exit code. */
  ended(): Promise<number | null>;
}

/** A KEYMESH_HOME of its own, in a path with spaces; removed with all its data at the end. */
export function makeTestHome() {
  const folder = mkdtempSync(join(tmpdir(), 'keymesh launcher '));
  const home = join(folder, '.keymesh');
  const launched: Launched[] = [];
  const facts = (): { httpPort: number; meshId: string; natsUrl: string } =>
    JSON.parse(readFileSync(join(home, 'mesh.json'), 'utf8')) as {
      httpPort: number;
      meshId: string;
      natsUrl: string;
    };
  const get = async (path: string): Promise<{ status: number; body: unknown }> => {
    const reply = await fetch(`http://127.0.0.1:${String(facts().httpPort)}${path}`);
    return { status: reply.status, body: await reply.json() };
  };
  return {
    home,
    facts,
    get,
    status: async () => (await get('/status')).body as Status,
    launch: (env: NodeJS.ProcessEnv = {}, args: readonly string[] = ['--auto-ports']): Launched => {
      const one = launch(home, env, args);
      launched.push(one);
      return one;
    },
    /** Ends whatever runs on it, in order. */
    stop: () => endAll(launched),
    remove: async () => {
      await endAll(launched);
      // As root the cluster is elsewhere and this links to it.
      const data = join(home, 'postgres');
      if (existsSync(data)) rmSync(realpathSync(data), { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function endAll(launched: readonly Launched[]): Promise<void> {
  for (const { child } of launched)
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  await Promise.all(launched.map((one) => one.ended()));
}

function launch(home: string, env: NodeJS.ProcessEnv, args: readonly string[]): Launched {
  const child = spawn(NODE, [LAUNCHER, ...args], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NATS_SERVER: process.env.NATS_SERVER,
      ...compileCache(),
      ...workerPorts(),
      KEYMESH_HOME: home,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  // Not `close`: it never comes after our own disconnect(). The pipes get a moment to deliver the last words.
  const end = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => setTimeout(() => resolve(code), 200));
  });
  return {
    child,
    output: () => text,
    ended: () => end,
    ready: (timeoutMs = 90_000) =>
      eventually(
        () => {
          if (text.includes('Keymesh is ready')) return;
          throw new Error(`not ready:\n${text}`);
        },
        { timeoutMs },
      ),
  };
}
