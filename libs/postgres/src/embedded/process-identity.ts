import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A process that can be told from a later one of the same pid. Kept in `run/*.json`. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal only for the same process: clock ticks since boot (Linux), or the start date that `ps` prints. */
  readonly startedAt: string;
}

/** @returns the running process of this pid, or undefined when there is none (a zombie counts as none). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const startedAt = process.platform === 'linux' ? startOnLinux(pid) : startByPs(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** Whether exactly this process still runs. */
export const isSameProcess = (known: ProcessIdentity): boolean =>
  identifyProcess(known.pid)?.startedAt === known.startedAt;

/**
 * Fields of /proc/<pid>/stat after the command, which is in parentheses and may itself hold spaces and parentheses.
 * SOURCE: proc_pid_stat(5): state is field 3, starttime field 22.
 */
export function parseProcStat(stat: string): { state: string; startTicks: string } | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  return state === undefined || startTicks === undefined ? undefined : { state, startTicks };
}

function startOnLinux(pid: number): string | undefined {
  try {
    const stat = parseProcStat(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));
    if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
    return `${bootId()}:${stat.startTicks}`;
  } catch {
    return undefined; // no such process
  }
}

// Makes ticks of another boot differ. Some sandboxes have none; then ticks alone must do.
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

function startByPs(pid: number): string | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { LC_ALL: 'C', PATH: '/bin:/usr/bin' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
  } catch {
    return undefined;
  }
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the process is gone. @returns false when it still runs after `timeoutMs`. */
export async function waitForExit(known: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  while (isSameProcess(known)) {
    if (performance.now() > until) return false;
    await delay(20);
  }
  return true;
}

/**
 * Sends each signal in turn, waiting up to its time, until the process is gone. Does nothing to another process of that pid.
 * @returns whether it is gone.
 */
export async function endProcess(
  known: ProcessIdentity,
  steps: readonly (readonly [signal: NodeJS.Signals, waitMs: number])[],
): Promise<boolean> {
  for (const [signal, waitMs] of steps) {
    if (!isSameProcess(known)) return true;
    try {
      process.kill(known.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    if (await waitForExit(known, waitMs)) return true;
  }
  return !isSameProcess(known);
}
