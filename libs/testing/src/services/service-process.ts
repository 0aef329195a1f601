import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { eventually } from '../eventually.js';
import { compileCache } from './compile-cache.js';

/** A service that a spec runs as a process of its own, to kill it. */
export interface ServiceProcess {
  readonly pid: number;
  readonly httpPort: number;
  /** What it has logged so far. */
  text(): string;
  /** Sends the signal and waits until the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

// A machine that does much else may take long; how soon a service is ready is not what a spec is about.
const READY_TIMEOUT_MS = 120_000;

/**
 * Starts a built service (`dist/main.js`) with this environment alone and resolves when it is ready. It ends with this process.
 * @param main absolute path. @throws Error with its log when it does not get ready.
 */
export async function startServiceProcess(
  main: string,
  environment: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  if (!existsSync(main)) throw new Error(`${main} is not there: run \`npm run build\` first`);
  const child = spawn(process.execPath, ['--no-warnings', main], {
    env: { ...compileCache(), ...environment, KEYMESH_EXIT_WITH_STDIN: 'true' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const killWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', killWithUs);
  void gone.then(() => process.off('exit', killWithUs));
  const text = (): string => Buffer.concat(chunks).toString('utf8');
  const httpPort = await eventually(
    () => {
      const port = /"httpPort":(\d+)[^\n]*"msg":"ready"/.exec(text())?.[1];
      if (port === undefined) throw new Error(`not ready: ${text().slice(-4_000)}`);
      return Number(port);
    },
    { timeoutMs: READY_TIMEOUT_MS },
  ).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  });
  return {
    pid: child.pid ?? -1,
    httpPort,
    text,
    kill: async (signal = 'SIGKILL') => {
      child.kill(signal);
      await gone;
    },
  };
}
