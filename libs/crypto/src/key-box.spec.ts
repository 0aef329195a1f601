import { describe, expect, test } from '@jest/globals';
import { everyBitFlipped, everyOtherLength, refusal, secretOf, shown } from '../test/support.js';
import { makeKek, openKey, sealKey, wrapDek } from './index.js';

describe('a key sealed under a key of its own', () => {
  const contentKey = makeKek();
  const key = secretOf(new Uint8Array(32).fill(7));
  const sealed = sealKey(contentKey, key);

  test('comes out again, whatever its size', () => {
    expect(shown(openKey(contentKey, sealed))).toBe(shown(key));
    for (const size of [0, 1, 4_096]) {
      const other = secretOf(new Uint8Array(size).fill(9));
      const box = sealKey(contentKey, other);
      expect(box.length).toBe(size + 93);
      expect(shown(openKey(contentKey, box))).toBe(shown(other));
    }
  });

  test('does not come out under another key, with a flipped bit or another length', () => {
    expect(refusal(() => openKey(makeKek(), sealed))).toBe('DECRYPTION_FAILED');
    for (const bytes of everyBitFlipped(sealed))
      expect(refusal(() => openKey(contentKey, bytes))).toBe('DECRYPTION_FAILED');
    for (const bytes of everyOtherLength(sealed))
      expect(refusal(() => openKey(contentKey, bytes))).toBe('DECRYPTION_FAILED');
  });

  test('is not what a wrapped data key is', () => {
    const dek = wrapDek({ kek: contentKey, dek: key, binding: { dekId: 'd', kekId: 'k', kekVersion: 1 } });
    expect(refusal(() => openKey(contentKey, dek))).toBe('DECRYPTION_FAILED');
  });
});
