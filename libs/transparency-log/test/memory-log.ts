import {
  appendToTree,
  EMPTY_EDGE,
  hashLeaf,
  rootOfEdge,
  type ReadTile,
  type TreeEdge,
} from '../src/index.js';

/** A log in memory: what a stored one does, with a map for the tiles. */
export interface MemoryLog {
  readonly tiles: Map<string, Uint8Array>;
  readonly leaves: Uint8Array[];
  readonly readTile: ReadTile;
  edge(): TreeEdge;
  root(): Uint8Array;
  append(leaves: readonly Uint8Array[]): void;
}

export function makeMemoryLog(): MemoryLog {
  const tiles = new Map<string, Uint8Array>();
  const all: Uint8Array[] = [];
  let edge = EMPTY_EDGE;
  return {
    tiles,
    leaves: all,
    readTile: (level, index) => Promise.resolve(tiles.get(`${String(level)}/${String(index)}`)),
    edge: () => edge,
    root: () => rootOfEdge(edge),
    append: (leaves) => {
      const next = appendToTree(edge, leaves.map(hashLeaf));
      edge = next.edge;
      all.push(...leaves);
      for (const tile of next.changed) tiles.set(`${String(tile.level)}/${String(tile.index)}`, tile.hashes);
    },
  };
}

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

/** `leaf 0`, `leaf 1`, …: the leaves of the golden file. */
export const numberedLeaves = (from: number, to: number): Uint8Array[] =>
  Array.from({ length: to - from }, (_, at) => new TextEncoder().encode(`leaf ${String(from + at)}`));
