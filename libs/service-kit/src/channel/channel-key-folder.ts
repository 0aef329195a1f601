import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Where private halves of channel keys are kept, sealed under the state key, until they end. Never the database: it keeps deleted bytes in
 * its files and its log, and whoever got them together with the state key would open what was recorded.
 */
export interface ChannelKeyFolder {
  /** @returns undefined when this folder has not got the key. */
  read(keyId: string): Promise<Uint8Array | undefined>;
  /** Durable once it resolves, whole or not at all. @param notAfter end of the key, milliseconds since the epoch. */
  keep(keyId: string, notAfter: number, sealed: Uint8Array): Promise<void>;
  /** Destroys what ended at `nowMs` or before. */
  destroyEnded(nowMs: number): Promise<void>;
}

// `<key id>.<end>`, and while it is written `<key id>.<end>.<random>.unfinished`: what a crash leaves ends with its key as well.
const FILE = /^([0-9a-f]{32})\.(\d{1,15})(\.[0-9a-f]+\.unfinished)?$/;

/** Keys as files of mode 0600 in a folder of mode 0700, one file a key. Instances on one machine may share the folder. */
export function openChannelKeyFolder(folder: string): ChannelKeyFolder {
  return {
    async read(keyId) {
      const found = (await filesIn(folder)).find((file) => file.keyId === keyId && !file.unfinished);
      return found === undefined ? undefined : ifThere(readFile(join(folder, found.name)));
    },
    async keep(keyId, notAfter, sealed) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const path = join(folder, `${keyId}.${String(notAfter)}`);
      const unfinished = `${path}.${randomBytes(4).toString('hex')}.unfinished`;
      const file = await open(unfinished, 'wx', 0o600);
      try {
        await file.writeFile(sealed);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(unfinished, path);
      await syncFolder(folder);
    },
    async destroyEnded(nowMs) {
      const ended = (await filesIn(folder)).filter(({ notAfter }) => notAfter <= nowMs);
      for (const { name } of ended) await destroyFile(join(folder, name));
      if (ended.length > 0) await syncFolder(folder);
    },
  };
}

/** For where nothing may be written: keys end with the process, and a new one asks the other instances or has a key certified. */
export function makeMemoryFolder(): ChannelKeyFolder {
  const kept = new Map<string, { readonly notAfter: number; readonly sealed: Uint8Array }>();
  return {
    read: (keyId) => Promise.resolve(kept.get(keyId)?.sealed),
    keep: (keyId, notAfter, sealed) => Promise.resolve(void kept.set(keyId, { notAfter, sealed })),
    destroyEnded(nowMs) {
      for (const [keyId, { notAfter, sealed }] of kept) {
        if (notAfter > nowMs) continue;
        sealed.fill(0);
        kept.delete(keyId);
      }
      return Promise.resolve();
    },
  };
}

async function filesIn(folder: string) {
  const names = (await ifThere(readdir(folder))) ?? [];
  return names.flatMap((name) => {
    const [, keyId, notAfter, unfinished] = FILE.exec(name) ?? [];
    return keyId === undefined
      ? []
      : [{ name, keyId, notAfter: Number(notAfter), unfinished: unfinished !== undefined }];
  });
}

/** Overwrites, then removes. What file systems that copy on write and disks that level wear keep of the old blocks is out of our reach. */
async function destroyFile(path: string): Promise<void> {
  const file = await ifThere(open(path, 'r+'));
  if (file === undefined) return; // another instance was first
  try {
    const { size } = await file.stat();
    await file.write(randomBytes(size), 0, size, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await ifThere(unlink(path));
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** @returns undefined for a file or folder that is not there. */
async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
