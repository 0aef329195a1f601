import { describe, expect, it } from '@jest/globals';
import { makeMemoryLog, numberedLeaves, type MemoryLog } from '../test/memory-log.js';
import { fsckTree, hashLeaf, loadEdge, rootOfEdge, type StoredEntry, type StoredLog } from './index.js';

const SIZE = 1_100;
const storedOf = (log: MemoryLog, change: Partial<StoredLog> = {}): StoredLog => ({
  entries: entriesOf(log),
  readTile: log.readTile,
  size: log.edge().size,
  root: log.root(),
  ...change,
});
// eslint-disable-next-line @typescript-eslint/require-await -- the port is asynchronous, a list is not
async function* entriesOf(
  log: MemoryLog,
  change = (entry: StoredEntry) => [entry],
): AsyncGenerator<StoredEntry> {
  for (const [index, leaf] of log.leaves.entries()) yield* change({ index, leaf, leafHash: hashLeaf(leaf) });
}
const freshLog = (): MemoryLog => {
  const log = makeMemoryLog();
  log.append(numberedLeaves(0, SIZE));
  return log;
};
const problemsOf = async (log: StoredLog): Promise<string[]> =>
  (await fsckTree(log)).problems.map(({ kind, at }) => `${kind} ${at}`);

describe('fsckTree', () => {
  it.each([0, 1, 255, 256, 257, 512, SIZE])('finds nothing in a sound log of %i leaves', async (size) => {
    const log = makeMemoryLog();
    log.append(numberedLeaves(0, size));
    expect(await problemsOf(storedOf(log))).toEqual([]);
  });

  it('finds a flipped bit in every tile', async () => {
    for (const name of freshLog().tiles.keys()) {
      const log = freshLog();
      const tile = log.tiles.get(name)!;
      tile[tile.length - 1]! ^= 1;
      expect(await problemsOf(storedOf(log))).toEqual([`tile-hash ${name}`]);
    }
  });

  it('finds a lost or cut tile', async () => {
    const log = freshLog();
    log.tiles.delete('0/1');
    log.tiles.set('1/0', log.tiles.get('1/0')!.slice(0, 32));
    expect(await problemsOf(storedOf(log))).toEqual(['tile-missing 0/1', 'tile-missing 1/0']);
  });

  it('finds a changed leaf, a changed leaf hash and a hole', async () => {
    const log = freshLog();
    const changedLeaf = entriesOf(log, (entry) =>
      entry.index === 9 ? [{ ...entry, leaf: Uint8Array.of(1) }] : [entry],
    );
    expect(await problemsOf(storedOf(log, { entries: changedLeaf }))).toEqual([
      'leaf-hash 9',
      'tile-hash 0/0',
      'tile-hash 1/0',
      `root ${String(SIZE)}`,
    ]);
    const hole = entriesOf(log, (entry) => (entry.index === 1_050 ? [] : [entry]));
    expect(await problemsOf(storedOf(log, { entries: hole }))).toContain('index-gap 1050');
  });

  it('finds a head that is not that of the entries', async () => {
    const log = freshLog();
    expect(await problemsOf(storedOf(log, { root: new Uint8Array(32) }))).toEqual([`root ${String(SIZE)}`]);
    expect(await problemsOf(storedOf(log, { size: SIZE + 1 }))).toEqual([
      `size ${String(SIZE)} entries, head ${String(SIZE + 1)}`,
    ]);
  });
});

describe('loadEdge', () => {
  it.each([0, 1, 255, 256, 300, SIZE])('goes on from a stored log of %i leaves', async (size) => {
    const log = freshLog();
    const edge = await loadEdge(size, log.readTile);
    const other = makeMemoryLog();
    other.append(numberedLeaves(0, size));
    expect(rootOfEdge(edge)).toEqual(other.root());
  });

  it('refuses tiles that are too short for the size', async () => {
    const log = freshLog();
    await expect(loadEdge(SIZE + 1, log.readTile)).rejects.toMatchObject({ code: 'LOG_INCONSISTENT' });
  });
});
