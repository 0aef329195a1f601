import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Keymesh } from '@keymesh/client';
import { keyJob, rewrapKeys, rotateKey } from '@keymesh/contracts';

const PROGRAM = join(import.meta.dirname, '../../../cli/bin/keymesh.js');

/** Something done to many rows, and how long it took. */
export interface RowsRate {
  readonly what: string;
  readonly rows: number;
  readonly seconds: number;
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

/** A backup of the whole mesh, and a restore of it beside the mesh that opens every key and value. */
export function measureBackup(home: string, folder: string): readonly RowsRate[] {
  const timed = (what: string, args: readonly string[]): RowsRate => {
    const startedAt = performance.now();
    const all = [PROGRAM, 'backup', ...args, '--to', folder, '--home', home, '--json'];
    const { status, stdout } = spawnSync(process.execPath, all, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (status !== 0) throw new Error(`backup ${what} ended with ${String(status)}`);
    const { rows } = JSON.parse(stdout) as { rows: number };
    return { what, rows, seconds: (performance.now() - startedAt) / 1_000 };
  };
  return [timed('backup', ['create']), timed('restore, every value opened', ['verify', 'latest', '--deep'])];
}
