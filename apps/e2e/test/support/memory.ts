import { open, readFile } from 'node:fs/promises';
import { countForms, type Form } from './canary.js';

const MAX_REGION_BYTES = 512 * 2 ** 20; // larger ones are reserved address space, not memory in use

/**
 * How often each marker stands in the writable memory of a process, as a core dump would hold it.
 * @returns undefined where the system lets nobody look (then nobody can take a dump either).
 */
export async function countInMemory(
  pid: number,
  markers: Readonly<Record<string, readonly Form[]>>,
): Promise<Record<string, number> | undefined> {
  const counts: Record<string, number> = {};
  const maps = await readFile(`/proc/${String(pid)}/maps`, 'utf8');
  const memory = await open(`/proc/${String(pid)}/mem`, 'r').catch(() => undefined);
  if (memory === undefined) return undefined;
  try {
    for (const [, from = '', to = ''] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)) {
      const start = BigInt(`0x${from}`);
      const size = Number(BigInt(`0x${to}`) - start);
      if (size > MAX_REGION_BYTES) continue;
      const region = Buffer.alloc(size);
      const isRead = await memory.read(region, 0, size, start).then(
        () => true,
        () => false, // a guard page
      );
      if (!isRead) continue;
      for (const [name, forms] of Object.entries(markers))
        counts[name] = (counts[name] ?? 0) + countForms(region, forms);
    }
    return counts;
  } finally {
    await memory.close();
  }
}
