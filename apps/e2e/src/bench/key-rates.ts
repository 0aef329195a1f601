import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Keymesh } from '@keymesh/client';
import { keyJob, rewrapKeys, rotateKey } from '@keymesh/contracts';
import { peakMiB, withDescendants } from './process-cpu.js';

const PROGRAM = join(import.meta.dirname, '../../../cli/bin/keymesh.js');

/** Something done to many rows, and how long it took. */
export interface RowsRate {
  readonly what: string;
  readonly rows: number;
  readonly seconds: number;
  /** Resident memory of the largest of its processes, at its most; undefined where it is the vault itself that works. */
  readonly peakMiB?: number;
}

/** Rotates the namespace's key and moves every data key under the new one. */
export async function measureRewrap(operator: Keymesh, namespace: string): Promise<RowsRate> {
  await operator.call(rotateKey, { namespace });
  const startedAt = performance.now();
  const { jobs } = await operator.call(rewrapKeys, { namespace });
  let rows = 0;
  for (const { jobId } of jobs) {
    let job = await operator.call(keyJob, { jobId });
    while (job.state === 'running') {
      await wait(50);
      job = await operator.call(keyJob, { jobId });
    }
    if (job.state !== 'completed') throw new Error(`the rewrap ended as ${job.state}`);
    rows += job.done;
  }
  return { what: 'rewrap', rows, seconds: (performance.now() - startedAt) / 1_000 };
}

/** Opens every key, row and value beside the running vault. */
export const measureFsck = (home: string): Promise<RowsRate> =>
  runCommand('fsck', ['fsck', 'vault'], home, ({ versions }) => Number(versions));

/** A backup of the whole mesh, and a restore of it beside the mesh that opens every key and value. */
export async function measureBackup(home: string, folder: string): Promise<readonly RowsRate[]> {
  const timed = (what: string, args: readonly string[]): Promise<RowsRate> =>
    runCommand(what, ['backup', ...args, '--to', folder], home, ({ rows }) => Number(rows));
  return [
    await timed('backup', ['create']),
    await timed('restore, every value opened', ['verify', 'latest', '--deep']),
  ];
}

/** A `keymesh` command to its end. @param rowsOf how many rows, from the JSON that it prints last. @throws Error when it fails */
async function runCommand(
  what: string,
  args: readonly string[],
  home: string,
  rowsOf: (said: Readonly<Record<string, unknown>>) => number,
): Promise<RowsRate> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [PROGRAM, ...args, '--home', home, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  let most = 0;
  const looking = setInterval(
    () => (most = Math.max(most, ...withDescendants(child.pid ?? 0).map(peakMiB))),
    100,
  );
  const [status] = (await once(child, 'close')) as [number | null];
  clearInterval(looking);
  if (status !== 0) throw new Error(`${what} ended with ${String(status)}`);
  const said = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
  return { what, rows: rowsOf(said), seconds: (performance.now() - startedAt) / 1_000, peakMiB: most };
}
