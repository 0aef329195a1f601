import { describe, expect, test } from '@jest/globals';
import { verify } from 'node:crypto';
import {
  fromBase64Url,
  makeSigningKey,
  Secret,
  signFor,
  signingKeyOf,
  signTextFor,
  toBase64Url,
  utf8,
  verifyFor,
  verifyingKeyOf,
  type SignaturePurpose,
} from './index.js';

const PURPOSES: SignaturePurpose[] = [
  'keymesh/v1/channel-setup',
  'keymesh/v1/channel-key',
  'keymesh/v1/statement',
  'keymesh/v1/enrolment',
  'keymesh/v1/bundle',
  'keymesh/v1/journal-pack',
  'keymesh/v1/event',
];
const message = utf8('what is signed');

describe('a signature', () => {
  const { key, seed } = makeSigningKey();

  test('is good for its own purpose and for none of the others', () => {
    for (const made of PURPOSES) {
      const signature = signFor(made, message, key);
      for (const asked of PURPOSES)
        expect([made, asked, verifyFor(asked, message, signature, key.publicKey)]).toEqual([
          made,
          asked,
          made === asked,
        ]);
    }
  });

  test('of a purpose is no signature of the bare message, so that no key signs for another protocol by accident', () => {
    const signature = signFor('keymesh/v1/statement', message, key);
    expect(verify(null, message, key.publicKey, signature)).toBe(false);
  });

  test('is deterministic, and the text form is its base64url', () => {
    const signature = signFor('keymesh/v1/event', message, key);
    expect(signFor('keymesh/v1/event', message, key)).toEqual(signature);
    expect(signTextFor('keymesh/v1/event', message, key)).toBe(toBase64Url(signature));
  });

  test('is refused with any bit flipped, of another length, message or key', () => {
    const signature = signFor('keymesh/v1/event', message, key);
    const holds = (candidate: Uint8Array, of = message, by = key.publicKeyText) =>
      verifyFor('keymesh/v1/event', of, candidate, by);
    expect(holds(signature)).toBe(true);
    for (let bit = 0; bit < 512; bit++) {
      const flipped = Uint8Array.from(signature);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(holds(flipped)).toBe(false);
    }
    for (const size of [0, 63, 65, 128]) expect(holds(new Uint8Array(size))).toBe(false);
    expect(holds(signature, utf8('what is signee'))).toBe(false);
    expect(holds(signature, message, makeSigningKey().key.publicKeyText)).toBe(false);
  });

  test('is refused, not thrown at, by a public key that is none', () => {
    const signature = signFor('keymesh/v1/event', message, key);
    const notPoints = [
      new Uint8Array(32),
      new Uint8Array(32).fill(255),
      Uint8Array.from({ length: 32 }, (_, at) => at),
    ];
    for (const text of [
      '',
      'AAAA',
      `${key.publicKeyText}A`,
      `${key.publicKeyText}=`,
      ...notPoints.map(toBase64Url),
    ])
      expect(verifyFor('keymesh/v1/event', message, signature, text)).toBe(false);
  });

  test('key comes back from its seed', () => {
    expect(seed.sizeBytes).toBe(32);
    expect(signingKeyOf(seed).publicKeyText).toBe(key.publicKeyText);
    expect(fromBase64Url(key.publicKeyText)).toHaveLength(32);
    expect(verifyingKeyOf(key.publicKeyText)?.equals(key.publicKey)).toBe(true);
  });

  test('key is not made of a seed of another size', () => {
    for (const size of [0, 31, 33, 64]) {
      const make = (): unknown => signingKeyOf(new Secret(new Uint8Array(size), 'seed'));
      expect(make).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    }
  });
});
