import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { everyBitFlipped, everyOtherLength, refusal, secretOf, shown } from '../test/support.js';
import {
  joinKey,
  makeKek,
  makeWrappingKey,
  openUnderWrappingKey,
  sealUnderWrappingKey,
  splitKey,
} from './index.js';

describe('a key split into parts', () => {
  test('comes back from all of them, in any order, and from no fewer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(), (count, left) => {
        const key = makeWrappingKey();
        const parts = splitKey(key, count);
        expect(parts).toHaveLength(count);
        expect(joinKey([...parts].reverse()).equals(key)).toBe(true);
        if (count === 1) return;
        const fewer = parts.filter((_, at) => at !== left % count);
        expect(joinKey(fewer).equals(key)).toBe(false);
        for (const part of parts) expect(part.equals(key)).toBe(false);
      }),
    );
  });

  test('is split anew each time', () => {
    const key = makeWrappingKey();
    expect(shown(splitKey(key, 2)[0]!)).not.toBe(shown(splitKey(key, 2)[0]!));
  });

  test('takes 32 bytes and nothing else', () => {
    for (const size of [0, 31, 33]) {
      const wrong = secretOf(new Uint8Array(size));
      expect(refusal(() => splitKey(wrong, 2))).toBe('DECRYPTION_FAILED');
      expect(refusal(() => joinKey([makeWrappingKey(), wrong]))).toBe('DECRYPTION_FAILED');
    }
    expect(refusal(() => joinKey([]))).toBe('DECRYPTION_FAILED');
    expect(refusal(() => splitKey(makeWrappingKey(), 0))).toBe('DECRYPTION_FAILED');
  });
});

describe('a key under a wrapping key', () => {
  const wrappingKey = makeWrappingKey();
  const key = makeKek();
  const header = Uint8Array.of(1, 2, 3);
  const place = { wrappingKey, header, context: 'kek/a/1' };
  const box = sealUnderWrappingKey({ ...place, key });
  const open = (change: Partial<Parameters<typeof openUnderWrappingKey>[0]>) =>
    refusal(() => openUnderWrappingKey({ ...place, box, ...change }));

  test('opens in its place, and is never the same twice', () => {
    expect(openUnderWrappingKey({ ...place, box }).equals(key)).toBe(true);
    expect(Buffer.from(sealUnderWrappingKey({ ...place, key }))).not.toEqual(Buffer.from(box));
  });

  test('is refused with any bit of it or its header flipped, cut or lengthened', () => {
    for (const bytes of [...everyBitFlipped(box), ...everyOtherLength(box)])
      expect(open({ box: bytes })).toBe('DECRYPTION_FAILED');
    for (const bytes of [...everyBitFlipped(header), ...everyOtherLength(header)])
      expect(open({ header: bytes })).toBe('DECRYPTION_FAILED');
  });

  test('is refused in another context and under any other key: what a KMS altered is noticed', () => {
    expect(open({ context: 'kek/a/2' })).toBe('DECRYPTION_FAILED');
    for (const bytes of everyBitFlipped(wrappingKey.expose()))
      expect(open({ wrappingKey: secretOf(bytes) })).toBe('DECRYPTION_FAILED');
    expect(open({ wrappingKey: secretOf(new Uint8Array(16)) })).toBe('DECRYPTION_FAILED');
  });
});
