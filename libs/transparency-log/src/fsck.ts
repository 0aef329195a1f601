import { HASH_BYTES, hashLeaf, sameHash } from './hashing.js';
import { TILE_WIDTH } from './tiles.js';
import {
  appendToTree,
  EMPTY_EDGE,
  rootOfEdge,
  type ChangedTile,
  type ReadTile,
  type TreeEdge,
} from './tree-builder.js';

/** One thing that is wrong in a stored log. */
export interface LogProblem {
  readonly kind: 'index-gap' | 'leaf-hash' | 'tile-missing' | 'tile-hash' | 'size' | 'root';
  /** Where: an index, or `level/index` of a tile. */
  readonly at: string;
}

export interface StoredLog {
  /** Entries in index order, as they are stored. */
  readonly entries: AsyncIterable<StoredEntry>;
  readonly readTile: ReadTile;
  /** The committed tree head. */
  readonly size: number;
  readonly root: Uint8Array;
}

export interface StoredEntry {
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
}

/** Problems listed at most; a damaged log can have millions. */
const MAX_PROBLEMS = 100;

/**
 * Recomputes a stored log from its leaves alone and compares everything with what is stored: indexes, leaf hashes, every
 * tile, size and root. Needs one tile a level in memory.
 */
export async function fsckTree(log: StoredLog): Promise<{ problems: LogProblem[]; edge: TreeEdge }> {
  const problems: LogProblem[] = [];
  const found = (kind: LogProblem['kind'], at: string): void => {
    if (problems.length < MAX_PROBLEMS) problems.push({ kind, at });
  };
  let edge = EMPTY_EDGE;
  let waiting: Uint8Array[] = [];
  const lastSeen = new Map<number, ChangedTile>();
  const flush = async (): Promise<void> => {
    const next = appendToTree(edge, waiting);
    waiting = [];
    edge = next.edge;
    for (const tile of next.changed) {
      // An incomplete tile is compared only in its last form, which replaced the others.
      if (tile.width === TILE_WIDTH) await compareTile(tile, log.readTile, found);
      lastSeen.set(tile.level, tile);
    }
  };
  let expected = 0;
  for await (const entry of log.entries) {
    if (entry.index !== expected) found('index-gap', String(expected));
    expected = entry.index + 1;
    const leafHash = hashLeaf(entry.leaf);
    if (!sameHash(leafHash, entry.leafHash)) found('leaf-hash', String(entry.index));
    waiting.push(leafHash);
    if (waiting.length === TILE_WIDTH) await flush();
  }
  await flush();
  for (const tile of lastSeen.values()) {
    if (tile.width < TILE_WIDTH) await compareTile(tile, log.readTile, found);
  }
  if (edge.size !== log.size) found('size', `${String(edge.size)} entries, head ${String(log.size)}`);
  if (!sameHash(rootOfEdge(edge), log.root)) found('root', String(log.size));
  return { problems, edge };
}

async function compareTile(
  tile: ChangedTile,
  readTile: ReadTile,
  found: (kind: LogProblem['kind'], at: string) => void,
): Promise<void> {
  const at = `${String(tile.level)}/${String(tile.index)}`;
  const stored = await readTile(tile.level, tile.index);
  if (stored === undefined || stored.length !== tile.width * HASH_BYTES) found('tile-missing', at);
  else if (!sameHash(stored, tile.hashes)) found('tile-hash', at);
}
