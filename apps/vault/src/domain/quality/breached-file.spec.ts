import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectCode } from '@keymesh/testing';
import { openBreachedFile } from './breached-file.js';

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex').toUpperCase();
const bytes = (text: string) => Buffer.from(text);

describe('a file of breached passwords', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keymesh-breached-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const listOf = async (words: readonly string[], lineEnd: string, last = lineEnd) => {
    const path = join(folder, `list-${String(words.length)}-${String(lineEnd.length)}${String(last.length)}`);
    const lines = words.map((word, at) => `${sha1(word)}:${String(10 ** (at % 8))}`).sort();
    await writeFile(path, lines.join(lineEnd) + last);
    return openBreachedFile(path);
  };

  it.each([
    ['one line', 1, '\n', '\n'],
    ['one line without its end', 1, '\n', ''],
    ['two lines', 2, '\n', '\n'],
    ['three lines of Windows', 3, '\r\n', '\r\n'],
    ['two hundred', 200, '\n', ''],
    ['two hundred of Windows', 200, '\r\n', '\r\n'],
  ])('is searched to the first and last of %s', async (_what, count, lineEnd, last) => {
    const words = Array.from({ length: count }, (_, at) => `word-${String(at)}`);
    const { isBreached, close } = await listOf(words, lineEnd, last);
    for (const word of words) expect(await isBreached(bytes(word))).toBe(true);
    for (let at = 0; at < 40; at += 1) expect(await isBreached(bytes(`other-${String(at)}`))).toBe(false);
    await close();
  });

  it.each([
    ['is not there', undefined],
    ['is empty', ''],
    ['is no such list', 'password\nletmein\n'],
  ])('that %s is refused at once', async (_what, content) => {
    const path = join(folder, 'bad');
    await rm(path, { force: true });
    if (content !== undefined) await writeFile(path, content);
    await expectCode(openBreachedFile(path), 'CONFIG_INVALID');
  });

  it('that cannot be read later stops the store: a value that nobody could look up is not called safe', async () => {
    const { isBreached, close } = await listOf(['a', 'b'], '\n');
    await close();
    const error = await expectCode(isBreached(bytes('canary')), 'UNAVAILABLE');
    expect(error.publicMessage).not.toContain('canary');
  });
});
