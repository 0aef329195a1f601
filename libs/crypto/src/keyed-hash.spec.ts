import { describe, expect, test } from '@jest/globals';
import { toHex } from '@keymesh/kernel';
import fc from 'fast-check';
import { createHash, createHmac } from 'node:crypto';
import { hex, refusal, secretOf } from '../test/support.js';
import { commitName, fingerprint, macRow, verifyRow, type RowValue } from './index.js';

const key = secretOf(new Uint8Array(32).fill(1));

describe('the HMAC of a row', () => {
  const row = {
    table: 'credential',
    stage: 'current',
    expiresAtMs: null,
    tags: ['a', 'b'],
    revision: 7,
    active: true,
  };

  test('holds for the row as it is, whatever the order of its columns', () => {
    const reordered = Object.fromEntries(Object.entries(row).reverse());
    expect(verifyRow(key, reordered, macRow(key, row))).toBe(true);
  });

  test.each<[string, Record<string, RowValue>]>([
    ['stage', { stage: 'previous' }],
    ['null made text', { expiresAtMs: 'null' }],
    ['null made empty', { expiresAtMs: '' }],
    ['number made text', { revision: '7' }],
    ['boolean made text', { active: 'true' }],
    ['revision', { revision: 6 }],
    ['tags joined', { tags: ['ab'] }],
    ['tags reordered', { tags: ['b', 'a'] }],
    ['tags emptied', { tags: [] }],
    ['a column more', { owner: 'x' }],
  ])('catches a change: %s', (_, change) => {
    expect(verifyRow(key, { ...row, ...change }, macRow(key, row))).toBe(false);
  });

  test('catches a column left out, another key and any flipped bit', () => {
    const mac = macRow(key, row);
    const { stage: _stage, ...less } = row;
    expect(verifyRow(key, less, mac)).toBe(false);
    expect(verifyRow(secretOf(new Uint8Array(32).fill(2)), row, mac)).toBe(false);
    for (let bit = 0; bit < 256; bit++) {
      const flipped = Uint8Array.from(mac);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(verifyRow(key, row, flipped)).toBe(false);
    }
    expect(verifyRow(key, row, mac.slice(1))).toBe(false);
    expect(verifyRow(key, row, new Uint8Array())).toBe(false);
  });

  test('is the same only for the same rows', () => {
    const value: fc.Arbitrary<RowValue> = fc.oneof(
      fc.string({ maxLength: 4 }),
      fc.integer({ min: -5, max: 5 }),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.string({ maxLength: 2 }), { maxLength: 3 }),
      fc.uint8Array({ maxLength: 3 }),
    );
    const rows = fc.dictionary(fc.string({ maxLength: 3 }), value, { maxKeys: 3, noNullPrototype: true });
    const sorted = (fields: Record<string, RowValue>) =>
      JSON.stringify(
        Object.entries(fields)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, column]) => [name, column instanceof Uint8Array ? { x: toHex(column) } : column]),
      );
    fc.assert(
      fc.property(rows, rows, (one, two) => {
        expect(toHex(macRow(key, one)) === toHex(macRow(key, two))).toBe(sorted(one) === sorted(two));
      }),
      { numRuns: 500 },
    );
  });

  test('takes no number that a database could give back otherwise', () => {
    for (const revision of [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])
      expect(refusal(() => macRow(key, { revision }))).toBe('DECRYPTION_FAILED');
  });
});

describe('the fingerprint of a value', () => {
  test('is equal for equal values under one key only', () => {
    const other = secretOf(new Uint8Array(32).fill(2));
    expect(fingerprint(key, secretOf('v'))).toBe(fingerprint(key, secretOf('v')));
    expect(fingerprint(key, secretOf('v'))).not.toBe(fingerprint(key, secretOf('w')));
    expect(fingerprint(key, secretOf('v'))).not.toBe(fingerprint(other, secretOf('v')));
  });

  test('is HMAC-SHA-256 over the length-prefixed purpose and value', () => {
    const message = Buffer.concat([
      hex('00000016'),
      Buffer.from('keymesh/v1/fingerprint'),
      hex('00000001'),
      Buffer.from('v'),
    ]);
    const mac = createHmac('sha256', Buffer.alloc(32, 1)).update(message).digest('hex');
    expect(fingerprint(key, secretOf('v'))).toBe(mac);
  });
});

test('a name is committed to by SHA-256 over length-prefixed salt and name', () => {
  const message = Buffer.concat([hex('00000002'), hex('0102'), hex('00000003'), Buffer.from('abc')]);
  expect(commitName(hex('0102'), 'abc')).toBe(createHash('sha256').update(message).digest('hex'));
  expect(commitName(hex('0102'), 'abc')).not.toBe(commitName(hex('010261'), 'bc'));
});
