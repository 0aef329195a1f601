import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { makeMemoryLog, numberedLeaves } from '../test/memory-log.js';
import {
  EMPTY_ROOT,
  hashLeaf,
  makeConsistencyProof,
  makeInclusionProof,
  rootAtSize,
  rootOfLeaves,
  verifyConsistency,
  verifyInclusion,
  type ReadTile,
} from './index.js';

const SIZE = 1_300; // beyond the second full tile of level 0, so that level 1 has a partial one
const leaves = numberedLeaves(0, SIZE);
const log = makeMemoryLog();
log.append(leaves);
const numRuns = process.env.SLOW === '1' ? 5_000 : 150;
const sizes = fc.integer({ min: 1, max: SIZE });
const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
  const copy = new Uint8Array(bytes);
  const at = Math.floor(bit / 8) % copy.length;
  copy[at] = copy[at]! ^ (1 << (bit % 8));
  return copy;
};

async function inclusionOf(index: number, treeSize: number) {
  return {
    index,
    treeSize,
    leafHash: hashLeaf(leaves[index]!),
    hashes: await makeInclusionProof(index, treeSize, log.readTile),
    root: await rootAtSize(treeSize, log.readTile),
  };
}

async function consistencyOf(fromSize: number, toSize: number) {
  return {
    fromSize,
    toSize,
    fromRoot: await rootAtSize(fromSize, log.readTile),
    toRoot: await rootAtSize(toSize, log.readTile),
    hashes: await makeConsistencyProof(fromSize, toSize, log.readTile),
  };
}

describe('proofs', () => {
  it('tiles, edge and leaves give one root whatever the batches were', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 12 }), async (batches) => {
        const other = makeMemoryLog();
        let size = 0;
        for (const batch of batches) {
          other.append(numberedLeaves(size, size + batch));
          size += batch;
        }
        const expected = rootOfLeaves(numberedLeaves(0, size));
        expect(other.root()).toEqual(expected);
        if (size > 0) expect(await rootAtSize(size, other.readTile)).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  it('every inclusion proof verifies, and no mutation of it does', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), fc.nat(), async (treeSize, seed, bit) => {
        const index = seed % treeSize;
        const claim = await inclusionOf(index, treeSize);
        expect(verifyInclusion(claim)).toEqual({ ok: true });
        const refused = (change: Partial<typeof claim>): void =>
          expect(verifyInclusion({ ...claim, ...change }).ok).toBe(false);
        refused({ leafHash: flip(claim.leafHash, bit) });
        refused({ root: flip(claim.root, bit) });
        refused({ hashes: [...claim.hashes, claim.root] });
        refused({ treeSize: index });
        if (treeSize > 1) refused({ index: (index + 1) % treeSize });
        if (claim.hashes.length > 0) {
          const at = bit % claim.hashes.length;
          refused({ hashes: claim.hashes.map((hash, n) => (n === at ? flip(hash, bit) : hash)) });
          refused({ hashes: claim.hashes.slice(0, -1) });
          refused({ hashes: claim.hashes.slice(1) });
        }
      }),
      { numRuns },
    );
  });

  it('every consistency proof verifies, and no mutation of it does', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.nat(), async (a, b, bit) => {
        const claim = await consistencyOf(Math.min(a, b), Math.max(a, b));
        expect(verifyConsistency(claim)).toEqual({ ok: true });
        const refused = (change: Partial<typeof claim>): void =>
          expect(verifyConsistency({ ...claim, ...change }).ok).toBe(false);
        refused({ fromRoot: flip(claim.fromRoot, bit) });
        refused({ toRoot: flip(claim.toRoot, bit) });
        refused({ hashes: [...claim.hashes, claim.toRoot] });
        refused({ fromSize: claim.toSize + 1 });
        if (claim.hashes.length > 0) {
          const at = bit % claim.hashes.length;
          refused({ hashes: claim.hashes.map((hash, n) => (n === at ? flip(hash, bit) : hash)) });
          refused({ hashes: claim.hashes.slice(0, -1) });
        }
      }),
      { numRuns },
    );
  });

  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '3' as unknown as number])(
    'an index or size of %p is refused before it is used',
    async (bad) => {
      const claim = await inclusionOf(2, 5);
      expect(verifyInclusion({ ...claim, index: bad })).toEqual({ ok: false, reason: 'sizes-out-of-range' });
      expect(verifyInclusion({ ...claim, treeSize: bad })).toEqual({
        ok: false,
        reason: 'sizes-out-of-range',
      });
      const consistency = await consistencyOf(3, 5);
      expect(verifyConsistency({ ...consistency, fromSize: bad }).ok).toBe(false);
      expect(verifyConsistency({ ...consistency, toSize: bad }).ok).toBe(false);
      await expect(makeInclusionProof(bad, 5, log.readTile)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
      await expect(makeConsistencyProof(1, bad, log.readTile)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    },
  );

  it('hashes of another length are refused', async () => {
    const claim = await inclusionOf(2, 5);
    const short = claim.hashes.map((hash) => hash.subarray(1));
    expect(verifyInclusion({ ...claim, hashes: short })).toEqual({ ok: false, reason: 'not-hashes' });
  });

  it('everything extends the empty tree, whose root is fixed', () => {
    const [toRoot, hashes] = [log.root(), [] as Uint8Array[]];
    const claim = { fromSize: 0, toSize: SIZE, fromRoot: EMPTY_ROOT, toRoot, hashes };
    expect(verifyConsistency(claim)).toEqual({ ok: true });
    expect(verifyConsistency({ ...claim, fromRoot: toRoot }).ok).toBe(false);
  });

  it('tiles are read one at a time: a transaction answers one question at a time', async () => {
    let underWay = 0;
    let most = 0;
    const readTile: ReadTile = async (level, index) => {
      most = Math.max(most, (underWay += 1));
      const tile = await log.readTile(level, index);
      await Promise.resolve();
      underWay -= 1;
      return tile;
    };
    await rootAtSize(SIZE - 1, readTile);
    await makeInclusionProof(300, SIZE - 1, readTile);
    await makeConsistencyProof(301, SIZE - 1, readTile);
    expect(most).toBe(1);
  });

  it('a missing tile is an inconsistent log, not a shorter proof', async () => {
    const without = { ...log, readTile: () => Promise.resolve(undefined) };
    await expect(makeInclusionProof(0, SIZE, without.readTile)).rejects.toMatchObject({
      code: 'LOG_INCONSISTENT',
    });
  });
});
