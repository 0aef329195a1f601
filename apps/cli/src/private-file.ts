import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { link, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { failure } from '@keymesh/contracts';
import { note } from './output.js';

/** Writes a file of mode 0600 whole or not at all, in the place of one that is there; its folders are made with mode 0700. */
export async function replacePrivateFile(path: string, content: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  try {
    await writeFile(temporary, content, { mode: 0o600, flag: 'wx', flush: true });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cannotWrite(cause);
  }
}

/**
 * Writes a stream as a new file of mode 0600: it appears under its name when it is whole and on the disk.
 * @param options.replace: in the place of one that is there; else that is USAGE
 */
export async function writePrivateStream(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  { replace }: { readonly replace: boolean },
): Promise<void> {
  if (!replace && (await stat(path).catch(() => undefined)) !== undefined) throw isThere();
  const temporary = `${path}.${randomUUID()}`;
  const file = createWriteStream(temporary, { mode: 0o600, flags: 'wx', flush: true });
  try {
    await pipeline(Readable.from(chunks), file);
    if (replace) await rename(temporary, path);
    else await link(temporary, path);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw 'code' in error && error.code === 'EEXIST' ? isThere() : cannotWrite(error);
  } finally {
    await rm(temporary, { force: true });
  }
}

const isThere = () =>
  failure('USAGE', { publicMessage: 'There is a file of this name. Choose another one, or pass --force.' });
const cannotWrite = (cause: unknown) =>
  failure('USAGE', { publicMessage: 'The file cannot be written. Check its folder and permissions.', cause });

/** Says so when a file with secrets can be read by others. Nothing to say of where there are no modes. */
export async function warnIfReadable(path: string): Promise<void> {
  const file = await stat(path).catch(() => undefined);
  if (process.platform === 'win32' || file === undefined || (file.mode & 0o077) === 0) return;
  note(`! ${path} can be read by others: run chmod 600 on it, and consider its values known.`);
}
