import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identifyProcess, type ProcessIdentity } from './process-identity.js';

/** What a running server says of itself. SOURCE: PostgreSQL src/include/utils/pidfile.h, one fact a line. */
export interface PostmasterFile {
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

const fileOf = (dataDir: string): string => join(dataDir, 'postmaster.pid');

/** @returns undefined when there is no file, or it is just being written. */
export function readPostmasterFile(dataDir: string): PostmasterFile | undefined {
  let lines: string[];
  try {
    lines = readFileSync(fileOf(dataDir), 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const pid = Math.abs(Number(lines[0]));
  return Number.isSafeInteger(pid) && pid > 0
    ? { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' }
    : undefined;
}

/** The server that now runs on this cluster, told from another process that got the same pid. */
export function findPostmaster(
  dataDir: string,
): (PostmasterFile & { readonly process: ProcessIdentity }) | undefined {
  const file = readPostmasterFile(dataDir);
  const identity = file === undefined ? undefined : identifyProcess(file.pid);
  if (file === undefined || identity === undefined || !runsOn(file.pid, dataDir)) return undefined;
  return { ...file, process: identity };
}

function runsOn(pid: number, dataDir: string): boolean {
  try {
    // A server works inside its data folder.
    if (process.platform === 'linux')
      return readlinkSync(`/proc/${String(pid)}/cwd`) === realpathSync(dataDir);
    const args = execFileSync('ps', ['-o', 'args=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { PATH: '/bin:/usr/bin' },
    });
    return args.includes(dataDir);
  } catch {
    return false;
  }
}

const NO_PID = 99_999_999; // above every system's pid_max

/**
 * After kill -9 the file stays. Postgres takes it over when its pid is free, but refuses to start when another process has got
 * that pid meanwhile. Then the pid in the file is replaced by one that cannot exist.
 * INVARIANT: the file is never removed: its shared-memory key is what keeps a second server off the cluster while children
 * of the killed one still live.
 */
export function disarmStalePostmasterFile(dataDir: string): void {
  const file = readPostmasterFile(dataDir);
  if (file === undefined || identifyProcess(file.pid) === undefined || runsOn(file.pid, dataDir)) return;
  const text = readFileSync(fileOf(dataDir), 'utf8');
  writeFileSync(fileOf(dataDir), text.replace(/^-?\d+/, String(NO_PID)));
}
