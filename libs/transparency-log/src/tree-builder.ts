import { KeymeshError, concat } from '@keymesh/kernel';
import { EMPTY_ROOT, HASH_BYTES, hashNode } from './hashing.js';
import { joinFromRight } from './compact-range.js';
import { TILE_WIDTH, tileWidth } from './tiles.js';

/**
 * Reads one stored tile: its hashes one after another, as many as are stored (a longer tile is cut to what a tree needs).
 * Asked for one tile at a time. @returns undefined when there is none.
 */
export type ReadTile = (level: number, index: number) => Promise<Uint8Array | undefined>;

/** A tile that an append changed: it replaces the stored one of the same level and index. */
export interface ChangedTile {
  readonly level: number;
  readonly index: number;
  readonly width: number;
  readonly hashes: Uint8Array;
}

/**
 * The right edge of a tree: the hashes of the incomplete tile at each level. With it appending needs no reads.
 * A value, never changed in place, so a failed transaction leaves the old edge as it was.
 */
export interface TreeEdge {
  readonly size: number;
  /** By tile level; each holds 0..255 hashes. */
  readonly partial: readonly (readonly Uint8Array[])[];
}

export const EMPTY_EDGE: TreeEdge = { size: 0, partial: [] };

/** Reads the edge of a stored tree. @throws LOG_INCONSISTENT when a tile is missing or too short for that size. */
export async function loadEdge(size: number, readTile: ReadTile): Promise<TreeEdge> {
  const partial: Uint8Array[][] = [];
  for (let level = 0; size >= TILE_WIDTH ** level; level += 1) {
    const index = Math.floor(size / TILE_WIDTH ** (level + 1));
    partial.push(await readHashes(readTile, level, index, tileWidth(size, level, index)));
  }
  return { size, partial };
}

/** @returns the first `width` hashes of a stored tile. @throws LOG_INCONSISTENT when it has fewer. */
export async function readHashes(
  readTile: ReadTile,
  level: number,
  index: number,
  width: number,
): Promise<Uint8Array[]> {
  if (width === 0) return [];
  const stored = await readTile(level, index);
  if (stored === undefined || stored.length < width * HASH_BYTES) {
    throw new KeymeshError('LOG_INCONSISTENT', { details: { level, index, width, bytes: stored?.length } });
  }
  return Array.from({ length: width }, (_, at) => stored.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES));
}

/** Appends leaf hashes. @returns the new edge, and every tile that is new or longer, each once, in its final form. */
export function appendToTree(
  edge: TreeEdge,
  leafHashes: readonly Uint8Array[],
): { edge: TreeEdge; changed: ChangedTile[] } {
  const partial: (readonly Uint8Array[])[] = [];
  const changed: ChangedTile[] = [];
  let incoming: readonly Uint8Array[] = leafHashes;
  for (let level = 0; level < edge.partial.length || incoming.length > 0; level += 1) {
    const before = edge.partial[level] ?? [];
    const hashes = [...before, ...incoming];
    let index = Math.floor(edge.size / TILE_WIDTH ** (level + 1));
    const full: Uint8Array[] = [];
    let at = 0;
    for (; hashes.length - at >= TILE_WIDTH; at += TILE_WIDTH) {
      const tile = hashes.slice(at, at + TILE_WIDTH);
      changed.push({ level, index, width: TILE_WIDTH, hashes: concat(...tile) });
      full.push(completeRoot(tile));
      index += 1;
    }
    const rest = hashes.slice(at);
    if (rest.length > 0 && incoming.length > 0)
      changed.push({ level, index, width: rest.length, hashes: concat(...rest) });
    partial.push(rest);
    incoming = full;
  }
  return { edge: { size: edge.size + leafHashes.length, partial }, changed };
}

/** Root of the tree (RFC 6962 MTH) from its edge. At most 255 hashes a level; no reads. */
export function rootOfEdge(edge: TreeEdge): Uint8Array {
  if (edge.size === 0) return EMPTY_ROOT;
  // Higher levels hold what lies further left, and within a tile the larger subtrees come first.
  return joinFromRight([...edge.partial].reverse().flatMap(completeSubtrees));
}

/** Root of 2^k hashes. */
export function completeRoot(hashes: readonly Uint8Array[]): Uint8Array {
  let row: readonly Uint8Array[] = hashes;
  while (row.length > 1) {
    const above: Uint8Array[] = [];
    for (let at = 0; at + 1 < row.length; at += 2) above.push(hashNode(hashAt(row, at), hashAt(row, at + 1)));
    row = above;
  }
  return hashAt(row, 0);
}

// The complete subtrees over a run of hashes: one for each bit of its length, largest first.
function completeSubtrees(hashes: readonly Uint8Array[]): Uint8Array[] {
  const roots: Uint8Array[] = [];
  let at = 0;
  for (let width = TILE_WIDTH / 2; width >= 1; width /= 2) {
    if (hashes.length - at < width) continue;
    roots.push(completeRoot(hashes.slice(at, at + width)));
    at += width;
  }
  return roots;
}

function hashAt(row: readonly Uint8Array[], index: number): Uint8Array {
  const hash = row[index];
  if (hash === undefined) throw new RangeError('a subtree has no hashes');
  return hash;
}
