import { readFileSync } from 'node:fs';

// SOURCE: proc(5): fields 14 (utime) and 15 (stime) of /proc/<pid>/stat, in clock ticks of 10 ms on Linux.
const TICK_MS = 10;

/** CPU time that a process and, for Postgres, its children have used, in milliseconds. 0 when it is gone. */
export function cpuMs(pids: readonly number[]): number {
  return pids.reduce((total, pid) => total + cpuOf(pid), 0);
}

function cpuOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name may hold spaces and parentheses: fields count from its last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return 0;
  }
}

/** The process and its living children. */
export function withChildren(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return [pid, ...(children === '' ? [] : children.split(' ').map(Number))];
  } catch {
    return [pid];
  }
}

/** Resident memory of processes, MiB. SOURCE: proc(5): VmRSS in kB. Pages shared between them count for each. */
export const residentMiB = (pids: readonly number[]): number =>
  pids.reduce((total, pid) => total + memoryOf(pid, 'VmRSS'), 0);

function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** The process and all that it started, and they. */
export const withDescendants = (pid: number): number[] => [
  pid,
  ...withChildren(pid).slice(1).flatMap(withDescendants),
];

/** The most that a process has had resident so far, MiB; 0 when it is gone. SOURCE: proc(5): VmHWM in kB. */
export const peakMiB = (pid: number): number => memoryOf(pid, 'VmHWM');

/** CPU time of this process since then, microseconds. */
export function cpuUsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
