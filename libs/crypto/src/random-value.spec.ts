import { describe, expect, test } from '@jest/globals';
import { fillUniform } from './random-value.js';
import { makeRandomValue } from './index.js';

const CLASSES = [/[a-z]/, /[A-Z]/, /[0-9]/, /[-_.~!@#%^*+=]/];

describe('a generated value', () => {
  test('has its length, all four classes, and nothing else', () => {
    for (let length = 8; length < 60; length++) {
      const text = Buffer.from(makeRandomValue(length).expose()).toString('latin1');
      expect(text).toMatch(new RegExp(`^[-_.~!@#%^*+=A-Za-z0-9]{${length}}$`));
      for (const chars of CLASSES) expect(text).toMatch(chars);
    }
  });

  test('is never the same twice', () => {
    const values = Array.from({ length: 1_000 }, () =>
      Buffer.from(makeRandomValue(16).expose()).toString('latin1'),
    );
    expect(new Set(values).size).toBe(values.length);
  });

  test.each([0, 7, 1_025, 1.5, Number.NaN, -8])('is not made with %d characters', (length) => {
    expect(() => makeRandomValue(length)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });

  // A modulo without rejection would make the first 256 % 74 = 34 characters a third likelier: chi-square far above the bound.
  test('draws every character alike', () => {
    const charset = Uint8Array.from({ length: 74 }, (_, at) => at);
    const drawn = new Uint8Array(740_000);
    fillUniform(drawn, charset);
    const counts = new Array<number>(74).fill(0);
    for (const char of drawn) counts[char]!++;
    const expected = drawn.length / 74;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chiSquare).toBeLessThan(140); // 73 degrees of freedom: by chance once in 100,000 runs
  });
});
