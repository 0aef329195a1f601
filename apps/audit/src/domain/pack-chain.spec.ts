import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PackHeader } from '@keymesh/mesh';
import { followChain, type PackChain, type SignedPack } from './pack-chain.js';

const hashOf = (name: string): string => name.repeat(64).slice(0, 64);
const packOf = (sequence: number, previous: string, change: Partial<PackHeader> = {}): SignedPack => ({
  header: { producer: 'vault', instance: 'v1', sequence, previous, count: 1, createdAt: '', ...change },
  hash: hashOf(String(sequence)),
  journalSequence: 100 + sequence,
  storedAt: 1_000,
});
const first = packOf(1, '0'.repeat(64));
const follow = (...packs: SignedPack[]): { chain: PackChain | undefined; kinds: (string | undefined)[] } => {
  let chain: PackChain | undefined;
  const kinds = packs.map((pack) => {
    const followed = followChain(chain, pack);
    chain = followed.chain;
    return followed.incident?.kind;
  });
  return { chain, kinds };
};

describe('followChain', () => {
  it('follows a chain to its final pack', () => {
    const { chain, kinds } = follow(first, packOf(2, first.hash), packOf(3, hashOf('2'), { final: true }));
    expect(kinds).toEqual([undefined, undefined, undefined]);
    expect(chain).toEqual({
      service: 'vault',
      instance: 'v1',
      sequence: 3,
      hash: hashOf('3'),
      ended: true,
      storedAt: 1_000,
    });
  });

  it('tells a dropped pack once, and how many', () => {
    const { incident } = followChain(follow(first).chain, packOf(4, hashOf('3')));
    expect(incident).toEqual({
      kind: 'gap',
      service: 'vault',
      instance: 'v1',
      journalSequence: 104,
      observed: 4,
      expected: 2,
    });
    expect(follow(first, packOf(4, hashOf('3')), packOf(5, hashOf('4'))).kinds).toEqual([
      undefined,
      'gap',
      undefined,
    ]);
  });

  it('tells that the beginning of a chain is missing', () => {
    expect(follow(packOf(7, hashOf('6')), packOf(8, hashOf('7'))).kinds).toEqual(['gap', undefined]);
  });

  it('tells a pack that does not follow from the one before', () => {
    expect(follow(first, packOf(2, hashOf('x'))).kinds).toEqual([undefined, 'fork']);
    expect(follow(packOf(1, hashOf('x'))).kinds).toEqual(['fork']);
    expect(follow(first, { ...first, hash: hashOf('y') }).kinds).toEqual([undefined, 'fork']);
  });

  it('takes the newest pack once more for a retry, and an older one for a replay', () => {
    const second = packOf(2, first.hash);
    expect(follow(first, second, second, first).kinds).toEqual([undefined, undefined, undefined, 'replayed']);
    expect(follow(first, second, first).chain?.sequence).toBe(2);
  });

  it('tells that a chain went on after its end', () => {
    const last = packOf(2, first.hash, { final: true });
    const { chain, kinds } = follow(first, last, packOf(3, last.hash), packOf(4, hashOf('3')));
    expect(kinds).toEqual([undefined, undefined, 'after-final', 'after-final']);
    expect(chain?.ended).toBe(true);
  });

  it('any pack that is missing, doubled with other content or out of order is told', () => {
    const chainOf = (length: number): SignedPack[] =>
      Array.from({ length }, (_, at) => packOf(at + 1, at === 0 ? '0'.repeat(64) : hashOf(String(at))));
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 12 }), fc.nat(), (length, seed) => {
        const packs = chainOf(length);
        const at = seed % (length - 1); // not the last one: its absence only silence can tell
        const without = packs.filter((_, index) => index !== at);
        expect(follow(...without).kinds.filter(Boolean)).toEqual(['gap']);
        const swapped = [...packs];
        [swapped[at], swapped[at + 1]] = [swapped[at + 1]!, swapped[at]!];
        expect(follow(...swapped).kinds.filter(Boolean).length).toBeGreaterThan(0);
      }),
    );
  });
});
