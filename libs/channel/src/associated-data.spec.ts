import { describe, expect, test } from '@jest/globals';
import { lengthPrefixed, toHex } from '@keymesh/kernel';
import fc from 'fast-check';
import { nonceOf } from './aead.js';
import { associatedData } from './associated-data.js';

const u64 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

describe('the associated data', () => {
  test('is what the kernel’s lengthPrefixed makes of the seven fields', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 100 });
    const binding = fc.record({
      direction: fc.constantFrom('request' as const, 'reply' as const),
      subject: text,
      requestId: text,
      sequence: fc.nat(),
      deadlineMs: fc.option(fc.nat(), { nil: undefined }),
      partsHeader: text,
    });
    fc.assert(
      fc.property(binding, (fields) => {
        const { direction, subject, requestId, sequence, deadlineMs, partsHeader } = fields;
        const deadline = deadlineMs === undefined ? '' : u64(deadlineMs);
        const expected = lengthPrefixed(
          'keymesh/v1/channel',
          direction,
          subject,
          requestId,
          u64(sequence),
          deadline,
          partsHeader,
        );
        expect(toHex(associatedData(fields))).toBe(toHex(expected));
      }),
    );
  });
});

test('a nonce is twelve bytes that hold the sequence, big endian', () => {
  expect(toHex(nonceOf(1))).toBe('000000000000000000000001');
  expect(toHex(nonceOf(0x0102_0304_05))).toBe('000000000000000102030405');
});
