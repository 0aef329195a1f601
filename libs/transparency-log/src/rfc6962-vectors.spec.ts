import { describe, expect, it } from '@jest/globals';
import { toHex } from '@keymesh/kernel';
import { hex, makeMemoryLog } from '../test/memory-log.js';
import {
  EMPTY_ROOT,
  makeConsistencyProof,
  makeInclusionProof,
  rootAtSize,
  rootOfLeaves,
  verifyConsistency,
  verifyInclusion,
} from './index.js';

// SOURCE: the reference vectors of certificate-transparency (merkletree/merkle_tree_test.cc), used by every CT implementation.
const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const H = {
  a: '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
  b: '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
  c: '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
  d: 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
  e: 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
  f: '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
};
// Index counts from 0 here, from 1 in the source.
const INCLUSION: [index: number, size: number, hashes: string[]][] = [
  [0, 1, []],
  [0, 8, [H.a, H.b, H.c]],
  [5, 8, [H.d, H.e, ROOTS[3]!]],
  [2, 3, [ROOTS[1]!]],
  [1, 5, [ROOTS[0]!, H.b, H.d]],
];
const CONSISTENCY: [from: number, to: number, hashes: string[]][] = [
  [1, 1, []],
  [1, 8, [H.a, H.b, H.c]],
  [6, 8, [H.f, H.e, ROOTS[3]!]],
  [2, 5, [H.b, H.d]],
];

const log = makeMemoryLog();
log.append(LEAVES.map(hex));

describe('RFC 6962 vectors', () => {
  it('the empty tree is SHA-256 of nothing', () => {
    expect(toHex(EMPTY_ROOT)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(rootOfLeaves([])).toEqual(EMPTY_ROOT);
  });

  it.each(ROOTS.map((root, at) => [at + 1, root] as const))(
    'root of the first %i leaves',
    async (size, root) => {
      expect(toHex(rootOfLeaves(LEAVES.slice(0, size).map(hex)))).toBe(root);
      expect(toHex(await rootAtSize(size, log.readTile))).toBe(root);
    },
  );

  it.each(INCLUSION)('inclusion of leaf %i in %i', async (index, treeSize, hashes) => {
    expect((await makeInclusionProof(index, treeSize, log.readTile)).map(toHex)).toEqual(hashes);
    const leafHash = log.tiles.get('0/0')!.slice(index * 32, index * 32 + 32);
    const claim = { index, treeSize, leafHash, hashes: hashes.map(hex), root: hex(ROOTS[treeSize - 1]!) };
    expect(verifyInclusion(claim)).toEqual({ ok: true });
  });

  it.each(CONSISTENCY)('consistency of %i and %i', async (fromSize, toSize, hashes) => {
    expect((await makeConsistencyProof(fromSize, toSize, log.readTile)).map(toHex)).toEqual(hashes);
    const roots = { fromRoot: hex(ROOTS[fromSize - 1]!), toRoot: hex(ROOTS[toSize - 1]!) };
    expect(verifyConsistency({ fromSize, toSize, ...roots, hashes: hashes.map(hex) })).toEqual({ ok: true });
  });
});
