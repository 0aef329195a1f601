import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { compileCache, workerPorts } from '@keymesh/testing';

/** The repository: where commands run. */
export const ROOT = join(import.meta.dirname, '..', '..', '..', '..');
const NODE = join(ROOT, 'node_modules/node/bin/node');
const MAIN = `import(${JSON.stringify(join(ROOT, 'apps/cli/dist/main.js'))}).then(async ({ main }) => {
  process.exitCode = await main(process.argv.slice(1));
})`;

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartedCommand {
  readonly child: ChildProcess;
  readonly ended: Promise<CommandResult>;
}

/** Starts `keymesh …` as a person would, on a KEYMESH_HOME. One process, so that a kill hits the command itself. */
export function startKeymesh(
  home: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): StartedCommand {
  const child = spawn(NODE, ['--input-type=module', '-e', MAIN, '--', ...args], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NATS_SERVER: process.env.NATS_SERVER,
      ...compileCache(),
      ...workerPorts(),
      KEYMESH_HOME: home,
      KEYMESH_AUTO_PORTS: 'true',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
  const ended = new Promise<CommandResult>((resolve) => {
    child.once('exit', (code) => setTimeout(() => resolve({ code, stdout, stderr }), 100));
  });
  return { child, ended };
}

/** Runs it to its end. */
export const runKeymesh = (
  home: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<CommandResult> => startKeymesh(home, args, env).ended;
