import { EMPTY_ROOT, HASH_BYTES, hashNode, sameHash } from './hashing.js';

/** Whether a proof holds. A "no" is data: it says why, and is never thrown. */
export type ProofVerification = { readonly ok: true } | { readonly ok: false; readonly reason: ProofFailure };
export type ProofFailure = 'sizes-out-of-range' | 'not-hashes' | 'wrong-number-of-hashes' | 'root-mismatch';

const no = (reason: ProofFailure): ProofVerification => ({ ok: false, reason });
const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const areHashes = (hashes: readonly Uint8Array[]): boolean =>
  hashes.every((hash) => hash instanceof Uint8Array && hash.length === HASH_BYTES);
// Sizes go beyond 32 bits, where JavaScript's bit operators would cut them.
const half = (n: number): number => Math.floor(n / 2);
const isOdd = (n: number): boolean => n % 2 === 1;

export interface InclusionClaim {
  readonly index: number;
  readonly treeSize: number;
  readonly leafHash: Uint8Array;
  /** The proof: sibling hashes from the leaf upwards. */
  readonly hashes: readonly Uint8Array[];
  /** Root that a trusted checkpoint names for `treeSize`. */
  readonly root: Uint8Array;
}

/** Verifies an inclusion proof; every field may come from an attacker. SOURCE: RFC 9162 section 2.1.3.2. */
export function verifyInclusion(claim: InclusionClaim): ProofVerification {
  const { index, treeSize, leafHash, hashes, root } = claim;
  if (!isSize(index) || !isSize(treeSize) || index >= treeSize) return no('sizes-out-of-range');
  if (!areHashes([leafHash, root, ...hashes])) return no('not-hashes');
  let node = index;
  let last = treeSize - 1;
  let result = leafHash;
  for (const sibling of hashes) {
    if (last === 0) return no('wrong-number-of-hashes');
    if (isOdd(node) || node === last) {
      result = hashNode(sibling, result);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      result = hashNode(result, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  if (last !== 0) return no('wrong-number-of-hashes');
  return sameHash(result, root) ? { ok: true } : no('root-mismatch');
}

export interface ConsistencyClaim {
  readonly fromSize: number;
  readonly toSize: number;
  readonly fromRoot: Uint8Array;
  readonly toRoot: Uint8Array;
  readonly hashes: readonly Uint8Array[];
}

/** Verifies that the later tree only appended to the earlier one. SOURCE: RFC 9162 section 2.1.4.2. */
export function verifyConsistency(claim: ConsistencyClaim): ProofVerification {
  const { fromSize, toSize, fromRoot, toRoot, hashes } = claim;
  if (!isSize(fromSize) || !isSize(toSize) || fromSize > toSize) return no('sizes-out-of-range');
  if (!areHashes([fromRoot, toRoot, ...hashes])) return no('not-hashes');
  if (fromSize === 0 || fromSize === toSize) {
    if (hashes.length > 0) return no('wrong-number-of-hashes');
    const expected = fromSize === toSize ? toRoot : EMPTY_ROOT;
    return sameHash(fromRoot, expected) ? { ok: true } : no('root-mismatch');
  }
  return climb(claim);
}

function climb({ fromSize, toSize, fromRoot, toRoot, hashes }: ConsistencyClaim): ProofVerification {
  let node = fromSize - 1;
  let last = toSize - 1;
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  // When the old tree is one complete subtree, its root is the first hash and the proof leaves it out.
  const [first, ...rest] = node === 0 ? [fromRoot, ...hashes] : hashes;
  if (first === undefined) return no('wrong-number-of-hashes');
  let from = first;
  let to = first;
  for (const sibling of rest) {
    if (last === 0) return no('wrong-number-of-hashes');
    if (isOdd(node) || node === last) {
      from = hashNode(sibling, from);
      to = hashNode(sibling, to);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      to = hashNode(to, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  if (last !== 0) return no('wrong-number-of-hashes');
  return sameHash(from, fromRoot) && sameHash(to, toRoot) ? { ok: true } : no('root-mismatch');
}
