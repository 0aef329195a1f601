import { KeymeshError } from '@keymesh/kernel';
import { joinFromRight } from './compact-range.js';
import { EMPTY_ROOT } from './hashing.js';
import {
  completeSubtreesOf,
  consistencyRanges,
  inclusionRanges,
  type LeafRange,
  type Subtree,
} from './proof-ranges.js';
import { TILE_HEIGHT, TILE_WIDTH } from './tiles.js';
import { completeRoot, readHashes, type ReadTile } from './tree-builder.js';

/**
 * Proves that leaf `index` is in the tree of the first `treeSize` leaves.
 * @returns the sibling hashes from the leaf upwards.
 * @throws BAD_REQUEST unless 0 ≤ index < treeSize; LOG_INCONSISTENT when tiles are missing for that size.
 */
export async function makeInclusionProof(
  index: number,
  treeSize: number,
  readTile: ReadTile,
): Promise<Uint8Array[]> {
  if (!isSize(treeSize) || !isSize(index) || index >= treeSize) {
    throw new KeymeshError('BAD_REQUEST', { publicMessage: 'The index must be below the tree size.' });
  }
  return hashRanges(inclusionRanges(index, treeSize), readTile);
}

/**
 * Proves that the tree of `toSize` leaves extends the tree of its first `fromSize` leaves.
 * @returns the hashes in RFC 6962 order; none when the sizes are equal or `fromSize` is 0.
 * @throws BAD_REQUEST unless 0 ≤ fromSize ≤ toSize; LOG_INCONSISTENT when tiles are missing.
 */
export async function makeConsistencyProof(
  fromSize: number,
  toSize: number,
  readTile: ReadTile,
): Promise<Uint8Array[]> {
  if (!isSize(fromSize) || !isSize(toSize) || fromSize > toSize) {
    throw new KeymeshError('BAD_REQUEST', { publicMessage: 'fromSize must be at most toSize.' });
  }
  return hashRanges(consistencyRanges(fromSize, toSize), readTile);
}

/** The root of the first `size` leaves. Any earlier size of a log can be asked for. */
export async function rootAtSize(size: number, readTile: ReadTile): Promise<Uint8Array> {
  if (size === 0) return EMPTY_ROOT;
  const [root] = await hashRanges([{ start: 0, end: size }], readTile);
  if (root === undefined) throw new KeymeshError('LOG_INCONSISTENT');
  return root;
}

const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

// One after the other: what reads the tiles may be a transaction, whose one connection takes one question at a time.
async function hashRanges(ranges: readonly LeafRange[], readTile: ReadTile): Promise<Uint8Array[]> {
  const read = remember(readTile);
  const hashes: Uint8Array[] = [];
  for (const range of ranges) {
    const subtrees: Uint8Array[] = [];
    for (const subtree of completeSubtreesOf(range)) subtrees.push(await hashOf(subtree, read));
    hashes.push(joinFromRight(subtrees));
  }
  return hashes;
}

// A subtree's hash is found in the tile at the nearest tile level below it, from a run of 2^(height mod 8) hashes.
async function hashOf({ height, position }: Subtree, readTile: ReadTile): Promise<Uint8Array> {
  const level = Math.floor(height / TILE_HEIGHT);
  const run = 2 ** (height % TILE_HEIGHT);
  const index = Math.floor((position * run) / TILE_WIDTH);
  const from = position * run - index * TILE_WIDTH;
  return completeRoot((await readHashes(readTile, level, index, from + run)).slice(from));
}

// One proof needs the same tile several times; it is read once.
function remember(readTile: ReadTile): ReadTile {
  const tiles = new Map<string, Uint8Array | undefined>();
  return async (level, index) => {
    const key = `${String(level)}/${String(index)}`;
    const known = tiles.get(key) ?? (await readTile(level, index));
    tiles.set(key, known);
    return known;
  };
}
