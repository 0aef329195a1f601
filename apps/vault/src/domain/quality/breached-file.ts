import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { failure } from '@keymesh/contracts';

/** Whether a value is known from a published leak. @throws UNAVAILABLE when the list cannot be read. */
export type IsBreached = (value: Uint8Array) => Promise<boolean>;

export interface BreachedFile {
  readonly isBreached: IsBreached;
  readonly close: () => Promise<void>;
}

const HASH_CHARS = 40;
/** `SHA1:count` and a line end. */
const LINE = /^[0-9A-Fa-f]{40}(?::\d{1,12})?\r?(?:\n|$)/;
/** Longer than any line. */
const WINDOW_BYTES = 128;

/**
 * A file as Have I Been Pwned publishes it: `SHA1:count` a line, ordered by hash. Searched on disk by halving, some 35 reads in the
 * largest, so it costs no memory. Whole lists and extracts alike.
 * @throws CONFIG_INVALID when it cannot be opened or its first line is none.
 */
export async function openBreachedFile(path: string): Promise<BreachedFile> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { size } = await file.stat();
    if (!LINE.test(await readAt(file, 0))) throw new Error('its first line is not SHA1:count');
    const opened = file;
    return {
      async isBreached(value) {
        const wanted = createHash('sha1').update(value).digest('hex').toUpperCase();
        try {
          return await contains(opened, size, wanted);
        } catch (cause) {
          throw failure('UNAVAILABLE', {
            publicMessage:
              'The list of breached passwords cannot be read, so nothing was stored. Check KEYMESH_BREACHED_PASSWORDS_FILE.',
            cause,
          });
        }
      },
      close: () => opened.close(),
    };
  } catch (cause) {
    await file?.close();
    throw failure('CONFIG_INVALID', {
      publicMessage:
        'KEYMESH_BREACHED_PASSWORDS_FILE: must be a readable file of lines SHA1:count, ordered by hash.',
      cause,
    });
  }
}

/** INVARIANT: a line that starts before `low` is below `wanted`; one that starts at or after `high` is not. */
async function contains(file: FileHandle, size: number, wanted: string): Promise<boolean> {
  let [low, high] = [0, size];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const line = await lineFrom(file, middle, low);
    if (line === undefined || line.start >= high) {
      high = middle;
      continue;
    }
    if (line.hash === wanted) return true;
    if (line.hash < wanted) low = line.end;
    else high = middle;
  }
  return false;
}

/** The first line that starts at or after `from`; `lineStart` is known to be the start of one. */
async function lineFrom(
  file: FileHandle,
  from: number,
  lineStart: number,
): Promise<{ readonly hash: string; readonly start: number; readonly end: number } | undefined> {
  let start = from;
  if (from !== lineStart) {
    // A line may start right here: then the byte before is a line end.
    const newline = (await readAt(file, from - 1)).indexOf('\n');
    if (newline === -1) return undefined;
    start = from + newline;
  }
  const text = await readAt(file, start);
  if (text === '') return undefined;
  if (!LINE.test(text)) throw new Error('a line of the list is not SHA1:count');
  const newline = text.indexOf('\n');
  return {
    hash: text.slice(0, HASH_CHARS).toUpperCase(),
    start,
    end: start + (newline === -1 ? text.length : newline + 1),
  };
}

async function readAt(file: FileHandle, position: number): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(WINDOW_BYTES), 0, WINDOW_BYTES, position);
  return buffer.toString('latin1', 0, bytesRead);
}
