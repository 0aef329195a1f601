import { hash } from 'node:crypto';

// SOURCE: RFC 6962 section 2.1. The prefixes keep leaves and inner nodes apart, so that neither can be passed off as the other.
const LEAF_PREFIX = 0x00;
const NODE_PREFIX = 0x01;

/** Bytes of a hash (SHA-256). */
export const HASH_BYTES = 32;

/** Root of the tree without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Uint8Array = new Uint8Array(hash('sha256', '', 'buffer'));

/** Hash of one leaf: SHA-256(0x00 ‖ leaf). */
export function hashLeaf(leaf: Uint8Array): Uint8Array {
  // One call over a copy costs half of what three calls on a hash object do.
  const prefixed = new Uint8Array(1 + leaf.length);
  prefixed[0] = LEAF_PREFIX;
  prefixed.set(leaf, 1);
  return new Uint8Array(hash('sha256', prefixed, 'buffer'));
}

/** Hash of an inner node: SHA-256(0x01 ‖ left ‖ right). */
export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  const node = new Uint8Array(1 + 2 * HASH_BYTES);
  node[0] = NODE_PREFIX;
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return new Uint8Array(hash('sha256', node, 'buffer'));
}

/** Whether two hashes are the same bytes. Hashes are public, so time does not matter. */
export const sameHash = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, at) => byte === b[at]);
