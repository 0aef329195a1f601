import { randomInt } from 'node:crypto';

/** Numbers that follow from a seed alone, so that a failed run can be run again. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** Whole, in [0, below). */
  below(limit: number): number;
  pick<T>(items: readonly T[]): T;
  shuffled<T>(items: readonly T[]): T[];
}

/** Seed of this run: KEYMESH_SEED, else a new one. Printed, because a failure without it is worth little. */
export function runSeed(spec: string): number {
  const seed = Number(process.env.KEYMESH_SEED ?? randomInt(2 ** 31));
  process.stderr.write(`${spec}: KEYMESH_SEED=${String(seed)}\n`);
  return seed;
}

/** SOURCE: mulberry32, T. Ettinger, public domain. Good enough to choose victims with, and nothing else. */
export function makeRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    next,
    below,
    pick: (items) => {
      const item = items[below(items.length)];
      if (item === undefined) throw new RangeError('nothing to pick from');
      return item;
    },
    shuffled: (items) =>
      items
        .map((item) => ({ item, key: next() }))
        .sort((a, b) => a.key - b.key)
        .map(({ item }) => item),
  };
}
