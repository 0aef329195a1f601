import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { lineDiff } from './line-diff.js';

const sideOf = (diff: string, without: string): string =>
  diff
    .split('\n')
    .filter((line) => !line.startsWith(without))
    .map((line) => line.slice(2))
    .join('\n');

describe('the difference of two texts', () => {
  it('shows what goes, comes and stays', () => {
    expect(lineDiff('a\nb\nc', 'a\nx\nc')).toBe('  a\n- b\n+ x\n  c');
    expect(lineDiff(null, 'a')).toBe('+ a');
    expect(lineDiff('a', null)).toBe('- a');
  });

  it('holds both texts, and no line twice that stays', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', ''), { minLength: 1, maxLength: 12 })
      .map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const diff = lineDiff(before, after);
        expect(sideOf(diff, '+')).toBe(before);
        expect(sideOf(diff, '-')).toBe(after);
        if (before === after) expect(diff).not.toMatch(/^[+-]/m);
      }),
    );
  });
});
