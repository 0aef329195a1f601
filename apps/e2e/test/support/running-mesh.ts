import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { eventually, workerPorts } from '@keymesh/testing';

export const REPOSITORY = resolve(import.meta.dirname, '../../../..');
const LAUNCHER = join(REPOSITORY, 'apps/cli/dist/launcher/main.js');
const CLI = join(REPOSITORY, 'apps/cli/bin/keymesh.js');

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A whole mesh as `npm start` runs it, in a folder and on ports of its own. */
export interface RunningMesh {
  readonly home: string;
  readonly httpUrl: string;
  readonly natsUrl: string;
  readonly launcher: ChildProcess;
  /** What the launcher printed so far. */
  output(): string;
  /** Types a `keymesh` command as a person would. */
  cli(
    args: readonly string[],
    options?: { input?: string | Uint8Array; env?: NodeJS.ProcessEnv },
  ): Promise<CommandResult>;
  /** Waits until /health/ready answers 200 (e.g. after a kill). */
  ready(timeoutMs?: number): Promise<void>;
  /** Starts the launcher again on the same home. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  /** stop, and the folder is removed. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Runs a command to its end; never through a shell. */
export function run(
  command: string,
  args: readonly string[],
  options: { input?: string | Uint8Array; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<CommandResult> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? REPOSITORY,
      env: { ...process.env, NODE_OPTIONS: '', ...options.env },
      stdio: 'pipe',
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', fail);
    child.on('close', (code) =>
      done({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') }),
    );
    child.stdin.on('error', () => undefined); // a command that needs no input may be gone already
    child.stdin.end(options.input ?? '');
  });
}

/** Starts a mesh. The first start initialises a new home, which takes some seconds. */
export async function startMesh(
  options: { env?: NodeJS.ProcessEnv; home?: string } = {},
): Promise<RunningMesh> {
  const folder = await mkdtemp(join(tmpdir(), 'keymesh-e2e-'));
  const home = options.home ?? join(folder, '.keymesh');
  let text = '';
  const launch = (): ChildProcess => {
    const child = spawn(process.execPath, [LAUNCHER, '--auto-ports'], {
      cwd: REPOSITORY,
      env: { ...process.env, NODE_OPTIONS: '', ...workerPorts(), KEYMESH_HOME: home, ...options.env },
      // With a channel to us: when this process is killed, the mesh stops by itself.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    return child;
  };
  let launcher = launch();
  const facts = async (): Promise<{ httpPort: number; natsUrl: string }> =>
    JSON.parse(await readFile(join(home, 'mesh.json'), 'utf8')) as { httpPort: number; natsUrl: string };
  const ready = async (timeoutMs = 240_000): Promise<void> => {
    await eventually(
      async () => {
        if (launcher.exitCode !== null)
          throw new Error(`the launcher ended with ${launcher.exitCode}:\n${text.slice(-4000)}`);
        const response = await fetch(`http://127.0.0.1:${(await facts()).httpPort}/health/ready`);
        if (response.status !== 200)
          throw new Error(`not ready: ${await response.text()}\n${text.slice(-2000)}`);
      },
      { timeoutMs },
    );
  };
  const stop = async (): Promise<void> => {
    if (launcher.exitCode !== null || launcher.signalCode !== null) return;
    const ended = new Promise((done) => launcher.once('exit', done));
    launcher.kill('SIGTERM');
    await ended;
  };
  const remove = async (): Promise<void> => {
    // Started by root, the database lives elsewhere and the home links to it.
    const database = await realpath(join(home, 'postgres')).catch(() => undefined);
    for (const path of [folder, database])
      if (path !== undefined) await rm(path, { recursive: true, force: true });
  };
  await ready().catch(async (error: unknown) => {
    await stop();
    await remove();
    throw error;
  });
  const { httpPort, natsUrl } = await facts();
  return {
    home,
    httpUrl: `http://127.0.0.1:${httpPort}`,
    natsUrl,
    get launcher() {
      return launcher;
    },
    output: () => text,
    ready,
    stop,
    cli: (args, { input, env } = {}) =>
      run(process.execPath, [CLI, ...args], {
        ...(input === undefined ? {} : { input }),
        env: { KEYMESH_HOME: home, ...env },
      }),
    restart: async () => {
      await stop();
      launcher = launch();
      await ready();
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      if (process.env.KEYMESH_KEEP_HOME === 'true') process.stderr.write(`kept: ${home}\n`);
      else await remove();
    },
  };
}
