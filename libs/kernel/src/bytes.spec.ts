import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { concat, fromBase64Url, fromUtf8, lengthPrefixed, toBase64Url, toHex, utf8 } from './index.js';

const bytes = fc.uint8Array({ maxLength: 40 });

describe('base64url', () => {
  test('comes back, from views into larger buffers too', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const view = concat(Uint8Array.of(9), value, Uint8Array.of(9)).subarray(1, 1 + value.length);
        expect(fromBase64Url(toBase64Url(view))).toEqual(value);
        expect(toHex(view)).toBe(Buffer.from(value).toString('hex'));
      }),
    );
  });

  test('has one form for each value: whatever reads is what would be written', () => {
    const nearly = fc.string({ unit: fc.constantFrom(...'AQgw_-+/= \n.ZzÄ9'.split('')), maxLength: 9 });
    fc.assert(
      fc.property(nearly, (text) => {
        const value = fromBase64Url(text);
        if (value !== undefined) expect(toBase64Url(value)).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each(['QQ==', 'Q', 'QR', 'QQ\n', ' QQ', 'Q+==', '+/+/', 'Q Q', 'QQ.', 'ÄÄ'])('refuses %j', (text) => {
    expect(fromBase64Url(text)).toBeUndefined();
  });

  test('leaves no copy of what it read in the memory that buffers share', () => {
    const key = Uint8Array.from(randomBytes(24)); // not in the shared memory; text of this file would be
    const text = toBase64Url(key);
    const needle = Buffer.from(key.buffer);
    const isInPool = (): boolean => Buffer.from(Buffer.from('x').buffer).includes(needle);
    fromBase64Url(text);
    expect(isInPool()).toBe(false);
    Buffer.from(text, 'base64url'); // the control: a plain read does leave one
    expect(isInPool()).toBe(true);
  });
});

describe('UTF-8', () => {
  test('comes back', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => expect(fromUtf8(utf8(text))).toBe(text)));
  });

  test('is read strictly: no two byte strings give one text', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        let text: string;
        try {
          text = fromUtf8(value);
        } catch {
          return;
        }
        expect(utf8(text)).toEqual(value);
      }),
      { numRuns: 1_000, examples: [[Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)]] },
    );
  });

  test.each([[[0xff]], [[0xc0, 0x80]], [[0xed, 0xa0, 0x80]], [[0xe2, 0x82]]])('refuses %j', (value) => {
    expect(() => fromUtf8(Uint8Array.from(value))).toThrow('not valid');
  });
});

describe('length-prefixed fields', () => {
  const fields = fc.array(fc.oneof(fc.string({ unit: 'binary', maxLength: 6 }), bytes), { maxLength: 5 });
  const asHex = (list: readonly (string | Uint8Array)[]): string[] =>
    list.map((field) => toHex(typeof field === 'string' ? utf8(field) : field));

  test('are the same bytes only for the same list of fields', () => {
    fc.assert(
      fc.property(fields, fields, (one, two) => {
        const same = asHex(one).join() === asHex(two).join() && one.length === two.length;
        expect(toHex(lengthPrefixed(...one)) === toHex(lengthPrefixed(...two))).toBe(same);
      }),
    );
  });

  test('can be taken apart again', () => {
    fc.assert(
      fc.property(fields, (list) => {
        const all = Buffer.from(lengthPrefixed(...list));
        const read: string[] = [];
        for (let at = 0; at < all.length;) {
          const size = all.readUInt32BE(at);
          read.push(all.subarray(at + 4, at + 4 + size).toString('hex'));
          at += 4 + size;
        }
        expect(read).toEqual(asHex(list));
      }),
    );
  });

  test('do not flow into each other', () => {
    const forms = [['ab', ''], ['a', 'b'], ['', 'ab'], ['ab'], ['a', 'b', ''], ['a', '', 'b']];
    expect(new Set(forms.map((form) => toHex(lengthPrefixed(...form)))).size).toBe(forms.length);
    expect(toHex(lengthPrefixed('ab', Uint8Array.of(1)))).toBe('0000000261620000000101');
  });
});
