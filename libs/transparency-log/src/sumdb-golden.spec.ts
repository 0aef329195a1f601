import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { signingKeyOf, Secret, toHex } from '@keymesh/kernel';
import { hex, makeMemoryLog, numberedLeaves } from '../test/memory-log.js';
import {
  hashLeaf,
  makeConsistencyProof,
  makeInclusionProof,
  noteVerifierOf,
  openNote,
  parseCheckpoint,
  parseNoteVerifier,
  rootAtSize,
  signNote,
  tilePath,
  verifyConsistency,
  verifyInclusion,
} from './index.js';

interface Golden {
  roots: Record<string, string>;
  inclusion: { index: number; treeSize: number; hashes: string[] }[];
  consistency: { fromSize: number; toSize: number; hashes: string[] }[];
  tiles: { level: number; index: number; width: number; path: string }[];
  verifierKey: string;
  note: string;
}

// Made by Go's sumdb, which we did not write (golden/make-sumdb.go.txt). It crosses two tile levels.
const golden = JSON.parse(readFileSync(new URL('../golden/sumdb.json', import.meta.url), 'utf8')) as Golden;
const SIZE = 70_000;
const log = makeMemoryLog();
const rootOf = (size: number): Promise<Uint8Array> => rootAtSize(size, log.readTile);

describe("the log is the same as Go's sumdb", () => {
  beforeAll(() => {
    // Uneven batches, as packs come.
    for (let from = 0, step = 1; from < SIZE; step = (step * 7) % 1009) {
      const to = Math.min(SIZE, from + step);
      log.append(numberedLeaves(from, to));
      from = to;
    }
  });

  it.each(Object.entries(golden.roots))('root of %s leaves', async (size, root) => {
    expect(toHex(await rootOf(Number(size)))).toBe(root);
  });

  it('the edge has the same root as the tiles', () => {
    expect(toHex(log.root())).toBe(golden.roots[String(SIZE)]);
  });

  it.each(golden.inclusion)('inclusion of $index in $treeSize', async ({ index, treeSize, hashes }) => {
    expect((await makeInclusionProof(index, treeSize, log.readTile)).map(toHex)).toEqual(hashes);
    const [leaf] = numberedLeaves(index, index + 1);
    const claim = { index, treeSize, leafHash: hashLeaf(leaf!), hashes: hashes.map(hex) };
    expect(verifyInclusion({ ...claim, root: await rootOf(treeSize) })).toEqual({ ok: true });
  });

  it.each(golden.consistency)(
    'consistency of $fromSize and $toSize',
    async ({ fromSize, toSize, hashes }) => {
      expect((await makeConsistencyProof(fromSize, toSize, log.readTile)).map(toHex)).toEqual(hashes);
      const roots = { fromRoot: await rootOf(fromSize), toRoot: await rootOf(toSize) };
      expect(verifyConsistency({ fromSize, toSize, ...roots, hashes: hashes.map(hex) })).toEqual({
        ok: true,
      });
    },
  );

  it.each(golden.tiles)('path of tile $path', ({ level, index, width, path }) => {
    // sumdb names the tile height in the path; tlog-tiles fixes it at 8.
    expect(tilePath({ kind: 'hashes', level, index, width })).toBe(path.replace('tile/8/', 'tile/'));
  });

  it('notes and verifier keys are the same bytes', () => {
    const key = signingKeyOf(
      new Secret(
        Uint8Array.from({ length: 32 }, (_, at) => at),
        'seed',
      ),
    );
    const verifier = noteVerifierOf('keymesh.example/golden', key.publicKeyText);
    expect(verifier.text).toBe(golden.verifierKey);
    const opened = openNote(golden.note, parseNoteVerifier(golden.verifierKey)!);
    expect(opened.ok && parseCheckpoint(opened.text)).toEqual({
      origin: 'keymesh.example/golden',
      size: SIZE,
      root: hex(golden.roots[String(SIZE)]!),
    });
    expect(opened.ok && signNote(opened.text, 'keymesh.example/golden', key)).toBe(golden.note);
  });
});
