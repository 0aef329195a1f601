import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeMemoryFolder, openChannelKeyFolder } from './channel-key-folder.js';

const keyId = 'a'.repeat(32);
const other = 'b'.repeat(32);
const sealed = Uint8Array.from(randomBytes(93));

let parent: string;
beforeEach(async () => void (parent = await mkdtemp(join(tmpdir(), 'keymesh-keys-'))));
afterEach(() => rm(parent, { recursive: true, force: true }));

describe.each([
  ['a folder', () => openChannelKeyFolder(join(parent, 'keys'))],
  ['memory', () => makeMemoryFolder()],
])('channel keys in %s', (_where, make) => {
  it('are there until their end, each until its own', async () => {
    const keys = make();
    expect(await keys.read(keyId)).toBeUndefined();
    await keys.destroyEnded(1);
    await keys.keep(keyId, 1_000, Uint8Array.from(sealed));
    await keys.keep(other, 2_000, Uint8Array.from(sealed));
    await keys.destroyEnded(999);
    expect(Buffer.from((await keys.read(keyId)) ?? [])).toEqual(Buffer.from(sealed));
    await keys.destroyEnded(1_000);
    expect(await keys.read(keyId)).toBeUndefined();
    expect(await keys.read(other)).toBeDefined();
  });
});

describe('the folder of channel keys', () => {
  const folder = (): string => join(parent, 'keys');

  it('is ours alone, and another instance finds in it what one has kept', async () => {
    await openChannelKeyFolder(folder()).keep(keyId, 1_000, sealed);
    expect((await stat(folder())).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder(), `${keyId}.1000`))).mode & 0o777).toBe(0o600);
    const again = openChannelKeyFolder(folder());
    expect(Buffer.from((await again.read(keyId)) ?? [])).toEqual(Buffer.from(sealed));
  });

  it('overwrites a key before it removes it: who holds the file open reads it no more', async () => {
    const keys = openChannelKeyFolder(folder());
    await keys.keep(keyId, 1_000, sealed);
    const held = await open(join(folder(), `${keyId}.1000`), 'r');
    await keys.destroyEnded(1_000);
    expect(await readdir(folder())).toEqual([]);
    const left = await held.readFile();
    await held.close();
    expect(left).toHaveLength(sealed.length);
    expect(left.equals(sealed)).toBe(false);
  });

  it('takes what a crash left unfinished for no key, and destroys it with its end', async () => {
    const keys = openChannelKeyFolder(folder());
    await keys.keep(other, 5_000, sealed);
    const left = join(folder(), `${keyId}.1000.0a1b2c3d.unfinished`);
    await writeFile(left, sealed.subarray(0, 40));
    expect(await keys.read(keyId)).toBeUndefined();
    await keys.destroyEnded(999);
    expect(await readFile(left)).toHaveLength(40);
    await keys.destroyEnded(1_000);
    expect(await readdir(folder())).toEqual([`${other}.5000`]);
  });

  it('leaves alone what is none of its own, and lets two instances destroy at once', async () => {
    const keys = openChannelKeyFolder(folder());
    await keys.keep(keyId, 1_000, sealed);
    await writeFile(join(folder(), 'README'), 'x');
    await Promise.all([keys.destroyEnded(1_000), openChannelKeyFolder(folder()).destroyEnded(1_000)]);
    expect(await readdir(folder())).toEqual(['README']);
  });
});
