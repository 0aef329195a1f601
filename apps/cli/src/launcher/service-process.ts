import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync, renameSync, rmSync, statSync, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { ServiceName } from '@keymesh/contracts';
import { endProcess, identifyProcess, type ProcessIdentity } from '@keymesh/postgres/server';
import { readJson, writeWhole } from './files.js';
import type { Home } from './home.js';
import type { Ending, Running } from './keeper.js';

const STOP_STEPS = [
  ['SIGTERM', 12_000],
  ['SIGKILL', 5_000],
] as const;
const MAX_LOG_BYTES = 20 * 2 ** 20;

export interface ServiceProcessOptions {
  readonly service: ServiceName;
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  readonly home: Home;
  /** Told of each line of level warn or above, readable. */
  readonly onWarning: (line: string) => void;
}

/** Ends a service that an earlier launcher left (it is ending already: its standard input closed with that launcher). */
export async function endLeftover(home: Home, service: ServiceName): Promise<void> {
  const known = readJson(home.run(`${service}.json`)) as ProcessIdentity | undefined;
  if (known !== undefined) await endProcess(known, STOP_STEPS);
  rmSync(home.run(`${service}.json`), { force: true });
  rmSync(home.run(`${service}.ready.json`), { force: true });
}

// Where all share one machine, whoever waits for an answer comes first: the ledger catches up, the feed's readers after it.
const NICENESS: Readonly<Record<ServiceName, number>> = {
  vault: 0,
  policy: 0,
  audit: 2,
  rotation: 5,
  'anomaly-detector': 5,
};

/** Starts a service. Its standard input stays open as long as we live: when it closes, the service ends by itself. */
export async function runService(options: ServiceProcessOptions): Promise<Running> {
  const { service, program, env, home } = options;
  await endLeftover(home, service);
  // `ulimit -c 0`: a core dump would hold keys. exec keeps the pid. A group of its own: Ctrl-C comes through us, in order.
  const child = spawn(
    '/bin/sh',
    ['-c', `ulimit -c 0; exec nice -n ${String(NICENESS[service])} "$0" "$@"`, process.execPath, program],
    {
      cwd: home.root,
      env,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  child.stdin.on('error', () => undefined); // the service closed its end: it is ending
  const ended = endingOf(child);
  keepLog(child, options);
  const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
  if (identity !== undefined) writeWhole(home.run(`${service}.json`), JSON.stringify(identity));
  return {
    pid: child.pid ?? -1,
    ended,
    stop: async () => {
      if (identity !== undefined) await endProcess(identity, STOP_STEPS);
      await ended;
      rmSync(home.run(`${service}.json`), { force: true });
      rmSync(home.run(`${service}.ready.json`), { force: true });
    },
  };
}

const endingOf = (child: ChildProcess): Promise<Ending> =>
  new Promise((resolve) => {
    child.once('error', () => resolve({ code: 1 }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });

function keepLog(child: ChildProcess, { service, home, onWarning }: ServiceProcessOptions): void {
  const file = openLog(home.log(service));
  let open = 0;
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    open += 1;
    const lines = createInterface({ input: stream, crlfDelay: Infinity });
    lines.on('line', (line) => {
      file.write(`${line}\n`);
      const readable = readableWarning(line);
      if (readable !== undefined) onWarning(`${service}: ${readable}`);
    });
    lines.on('close', () => {
      open -= 1;
      if (open === 0) file.end();
    });
  }
}

function openLog(path: string): WriteStream {
  if (existsSync(path) && statSync(path).size > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
  return createWriteStream(path, { flags: 'a', mode: 0o600 });
}

const SHOWN = new Set(['warn', 'error', 'fatal', 40, 50, 60]);

/**
 * A JSON log line of level warn or above as a person reads it; a line that is no JSON (a crash of the runtime) as it is.
 * @returns undefined for what need not be shown.
 */
export function readableWarning(line: string): string | undefined {
  if (!line.startsWith('{')) return line.trim() === '' ? undefined : line;
  try {
    const { level, msg, code } = JSON.parse(line) as { level?: string | number; msg?: string; code?: string };
    if (level === undefined || !SHOWN.has(level)) return undefined;
    return `${String(level)}: ${msg ?? ''}${code === undefined ? '' : ` (${code})`}`;
  } catch {
    return line;
  }
}
