/** A run of leaves `[start, end)` whose hash a proof contains. */
export interface LeafRange {
  readonly start: number;
  readonly end: number;
}

/** The largest power of two below `n`; where RFC 6962 splits a tree of `n` > 1 leaves. */
export function splitPoint(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

/** Which subtrees prove leaf `index` in a tree of `size`, from the leaf upwards. SOURCE: RFC 6962 section 2.1.1. */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  const ranges: LeafRange[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      ranges.unshift({ start: middle, end });
      end = middle;
    } else {
      ranges.unshift({ start, end: middle });
      start = middle;
    }
  }
  return ranges;
}

/** Which subtrees prove that `toSize` leaves extend the first `fromSize`. SOURCE: RFC 6962 section 2.1.2. */
export function consistencyRanges(fromSize: number, toSize: number): LeafRange[] {
  if (fromSize === 0 || fromSize === toSize) return [];
  const ranges: LeafRange[] = [];
  let start = 0;
  let end = toSize;
  let wholeOldTree = true; // the old tree is exactly this subtree, whose hash the verifier knows
  while (end !== fromSize) {
    const middle = start + splitPoint(end - start);
    if (fromSize <= middle) {
      ranges.unshift({ start: middle, end });
      end = middle;
    } else {
      ranges.unshift({ start, end: middle });
      start = middle;
      wholeOldTree = false;
    }
  }
  return wholeOldTree ? ranges : [{ start, end }, ...ranges];
}

/** A complete subtree: it covers the leaves `[position · 2^height, (position + 1) · 2^height)`. */
export interface Subtree {
  readonly height: number;
  readonly position: number;
}

/** The complete subtrees of a range as RFC 6962 splits it, largest first. */
export function completeSubtreesOf(range: LeafRange): Subtree[] {
  const subtrees: Subtree[] = [];
  let start = range.start;
  while (start < range.end) {
    let height = 0;
    while (2 ** (height + 1) <= range.end - start) height += 1;
    subtrees.push({ height, position: start / 2 ** height });
    start += 2 ** height;
  }
  return subtrees;
}
