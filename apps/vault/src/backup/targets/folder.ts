import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import { SUFFIX } from '../backup-name.js';
import { targetFailed, type BackupTarget } from './target.js';

const UNFINISHED = '.unfinished';

/** A folder: of this machine, or mounted. Files of mode 0600, each durable before it has its name. */
export function makeFolderTarget({ folder }: { readonly folder: string }): BackupTarget {
  const at = (name: string): string => join(folder, name);
  return {
    kind: 'folder',
    async put(name, bytes) {
      const unfinished = at(`${name}${UNFINISHED}`);
      try {
        await inTarget(() => mkdir(folder, { recursive: true, mode: 0o700 }));
        const sizeBytes = await writeDurably(unfinished, bytes);
        await inTarget(() => rename(unfinished, at(name)));
        await inTarget(() => syncFolder(folder));
        return { sizeBytes };
      } finally {
        await rm(unfinished, { force: true }).catch(() => undefined); // what is told is the first cause
      }
    },
    async get(name) {
      const there = await stat(at(name)).then(
        (file) => file.isFile(),
        () => false,
      );
      if (!there) throw failure('BACKUP_NOT_FOUND');
      return createReadStream(at(name), { highWaterMark: 2 ** 18 });
    },
    async list() {
      const names = await readdir(folder).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw targetFailed(error);
      });
      const own = names.filter((name) => name.endsWith(SUFFIX));
      return Promise.all(own.map(async (name) => ({ name, sizeBytes: (await stat(at(name))).size })));
    },
    remove: (name) => inTarget(() => rm(at(name), { force: true })),
  };
}

async function writeDurably(path: string, bytes: AsyncIterable<Uint8Array>): Promise<number> {
  const file = await inTarget(() => open(path, 'w', 0o600));
  let sizeBytes = 0;
  try {
    for await (const piece of bytes) {
      await inTarget(() => file.writeFile(piece));
      sizeBytes += piece.length;
    }
    await inTarget(() => file.sync());
  } finally {
    await file.close();
  }
  return sizeBytes;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function inTarget<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw KeymeshError.is(error) ? error : targetFailed(error);
  }
}
