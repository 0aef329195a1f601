import { spawn } from 'node:child_process';
import { join } from 'node:path';

export interface Program {
  readonly pid: number;
  /** Standard output and error so far. */
  text(): string;
  /** Ends standard input, as a launcher that died does. */
  closeInput(): void;
  kill(signal: NodeJS.Signals): void;
  readonly exit: Promise<number | null>;
}

const here = import.meta.dirname;

/** Starts a TypeScript program of `test/fixtures` with this environment alone. It ends with this process. */
export function startProgram(fixture: string, env: Record<string, string>): Program {
  const register = join(here, 'register-swc.mjs');
  const args = [
    '--no-warnings',
    '--conditions',
    '@keymesh/source',
    '--import',
    register,
    join(here, '../fixtures', fixture),
  ];
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const killWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', killWithUs);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const exit = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      process.off('exit', killWithUs);
      resolve(code);
    });
  });
  return {
    pid: child.pid ?? -1,
    text: () => Buffer.concat(chunks).toString('utf8'),
    closeInput: () => child.stdin.end(),
    kill: (signal) => void child.kill(signal),
    exit,
  };
}
