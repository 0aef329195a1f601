import { describe, expect, it } from '@jest/globals';
import { makeSalt } from './salt.js';

describe('salts from the pool', () => {
  it('never come twice, over many fillings of the pool', () => {
    const salts = Array.from({ length: 5_000 }, () => Buffer.from(makeSalt(16)).toString('hex'));
    expect(new Set(salts).size).toBe(salts.length);
    expect(salts).not.toContain('0'.repeat(32));
  });

  it('are copies: changing one changes no other', () => {
    const [first, second] = [makeSalt(32), makeSalt(32)];
    const before = Buffer.from(second).toString('hex');
    first.fill(1);
    expect(Buffer.from(second).toString('hex')).toBe(before);
  });

  it('use all 256 values of every byte', () => {
    const seen = Array.from({ length: 16 }, () => new Set<number>());
    for (let round = 0; round < 6_000; round += 1)
      makeSalt(16).forEach((byte, index) => seen[index]?.add(byte));
    expect(seen.map(({ size }) => size)).toEqual(Array(16).fill(256));
  });

  it.each([0, -1, 65, 1.5, NaN])('refuse a size of %s', (size) => {
    expect(() => makeSalt(size)).toThrow(RangeError);
  });
});
