import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeEntryBundle, encodeEntryBundle, parseTilePath, tilePath, tileWidth } from './index.js';

describe('tiles', () => {
  it('a tree of 70,000 leaves has the tiles that tlog-tiles says', () => {
    const widths = (level: number, count: number): number[] =>
      Array.from({ length: count }, (_, index) => tileWidth(70_000, level, index));
    expect(widths(0, 275).slice(-3)).toEqual([256, 112, 0]);
    expect(widths(1, 3)).toEqual([256, 17, 0]);
    expect(widths(2, 2)).toEqual([1, 0]);
  });

  it('paths are read back as they were written', () => {
    const kinds = fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 6 }));
    const indexes = fc.oneof(fc.nat(), fc.nat({ max: 2_000 }));
    fc.assert(
      fc.property(kinds, indexes, fc.integer({ min: 1, max: 256 }), (kind, index, width) => {
        const resource =
          kind === 'entries'
            ? ({ kind, index, width } as const)
            : ({ kind: 'hashes', level: kind, index, width } as const);
        expect(parseTilePath(tilePath(resource))).toEqual(resource);
      }),
    );
  });

  it('writes the example of the specification', () => {
    expect(tilePath({ kind: 'hashes', level: 0, index: 1_234_067, width: 256 })).toBe('tile/0/x001/x234/067');
    expect(tilePath({ kind: 'entries', index: 0, width: 12 })).toBe('tile/entries/000.p/12');
  });

  it.each([
    'tile/0/0',
    'tile/00/000',
    'tile/7/000',
    'tile/0/x000/001',
    'tile/0/x001/x234/67',
    'tile/0/001/002',
    'tile/0/000.p/256',
    'tile/0/000.p/0',
    'tile/0/000.p/007',
    'tile/0/000/',
    '/tile/0/000',
    'tile/entries/../../000',
    'tile/0/x999/x999/x999/x999/x999/999',
  ])('%s is no path', (path) => {
    expect(parseTilePath(path)).toBeUndefined();
  });
});

describe('entry bundles', () => {
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 20 }), (entries) => {
        expect(decodeEntryBundle(encodeEntryBundle(entries))).toEqual(entries.map((e) => new Uint8Array(e)));
      }),
    );
  });

  it('take 65,535 bytes and not one more', () => {
    const longest = new Uint8Array(65_535).fill(7);
    expect(encodeEntryBundle([longest]).subarray(0, 3)).toEqual(Uint8Array.of(0xff, 0xff, 7));
    expect(decodeEntryBundle(encodeEntryBundle([longest]))).toEqual([longest]);
    expect(() => encodeEntryBundle([new Uint8Array(65_536)])).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
  });

  it('a bundle cut anywhere inside an entry is refused', () => {
    const bundle = encodeEntryBundle([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
    const readable = Array.from({ length: bundle.length }, (_, size) =>
      decodeEntryBundle(bundle.subarray(0, size)),
    );
    expect(readable.map((entries) => entries?.length)).toEqual([
      0,
      ...[1, 2, 3, 4].map(() => undefined),
      1,
      undefined,
      undefined,
    ]);
  });
});
