import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { readCommonPasswords, writeCommonPasswords } from './common-passwords.js';

const bytes = (text: string) => Buffer.from(text);

describe('the list of common passwords', () => {
  it('knows every one of its entries, in any case', () => {
    const entries = Array.from(
      { length: 500 },
      (_, at) => `entry-${String(at)}-${randomBytes(3).toString('hex')}`,
    );
    const isCommon = readCommonPasswords(writeCommonPasswords(entries));
    for (const entry of entries) expect(isCommon(bytes(entry.toUpperCase()))).toBe(true);
  });

  it('is shipped, and knows what is tried first', () => {
    const isCommon = readCommonPasswords();
    for (const password of ['password', '123456', 'qwerty', 'iloveyou', 'TrustNo1', 'Dragon'])
      expect(isCommon(bytes(password))).toBe(true);
    expect(isCommon(bytes(''))).toBe(false);
  });

  it('takes few others for its own: one in 20,000 is said, five in 20,000 are let pass here', () => {
    const isCommon = readCommonPasswords();
    const wrong = Array.from({ length: 20_000 }, () => randomBytes(12)).filter(isCommon);
    expect(wrong.length).toBeLessThanOrEqual(5);
  });

  it('is written alike from the same entries, whatever their order', () => {
    const [one, other] = [writeCommonPasswords(['a', 'b']), writeCommonPasswords(['b', 'a'])];
    expect(Buffer.compare(one, other)).toBe(0);
  });

  it.each([
    ['cut', (file: Uint8Array) => file.subarray(0, -1)],
    ['of another format', (file: Uint8Array) => Uint8Array.from(file).fill(9, 4, 5)],
    ['something else', (file: Uint8Array) => Uint8Array.from(file).fill(0, 0, 4)],
  ])('is refused %s', (_what, damage) => {
    expect(() => readCommonPasswords(damage(writeCommonPasswords(['a'])))).toThrow(/damaged/);
  });
});
