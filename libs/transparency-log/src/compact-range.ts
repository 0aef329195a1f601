import { EMPTY_ROOT, hashLeaf, hashNode } from './hashing.js';

/**
 * The roots of the complete subtrees that make up a tree, largest (leftmost) first: all that is needed to go on appending
 * and to know the root. A tree of `size` leaves has one for each bit set in `size`.
 */
export interface CompactRange {
  readonly size: number;
  readonly roots: readonly Uint8Array[];
}

export const EMPTY_RANGE: CompactRange = { size: 0, roots: [] };

/** The range with one more leaf hash. O(1) amortised. */
export function appendLeafHash(range: CompactRange, leafHash: Uint8Array): CompactRange {
  const roots = [...range.roots];
  let node = leafHash;
  // Each bit that carries in size + 1 joins the newest node with the complete subtree of equal size on its left.
  for (let carry = range.size; carry % 2 === 1; carry = (carry - 1) / 2) {
    const left = roots.pop();
    if (left === undefined) throw new RangeError('a compact range has as many roots as its size has bits');
    node = hashNode(left, node);
  }
  roots.push(node);
  return { size: range.size + 1, roots };
}

/** Root of the whole tree (RFC 6962 MTH). */
export function rootOf(range: CompactRange): Uint8Array {
  return range.roots.length === 0 ? EMPTY_ROOT : joinFromRight(range.roots);
}

/** Joins complete subtrees of falling size, as RFC 6962 does at the right edge of a tree. @param roots at least one. */
export function joinFromRight(roots: readonly Uint8Array[]): Uint8Array {
  return roots.reduceRight((right, left) => hashNode(left, right));
}

/** Root over leaves that are all at hand. */
export function rootOfLeaves(leaves: Iterable<Uint8Array>): Uint8Array {
  let range = EMPTY_RANGE;
  for (const leaf of leaves) range = appendLeafHash(range, hashLeaf(leaf));
  return rootOf(range);
}
