import { describe, expect, test } from '@jest/globals';
import { ed25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { verify } from 'node:crypto';
import {
  fromBase64Url,
  lengthPrefixed,
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
  'keymesh/v1/key-proof',
  'keymesh/v1/session-request',
  'keymesh/v1/approval',
  'keymesh/v1/bundle',
  'keymesh/v1/bundle-attestation',
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

  // The order of the group: S and S + L say the same.
  const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
  const littleEndian = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();

  test('is one of one: S + L, which says the same, is refused', () => {
    const signature = signFor('keymesh/v1/event', message, key);
    const s = BigInt(`0x${Buffer.from(signature.slice(32)).reverse().toString('hex')}`);
    for (const other of [s + ORDER, s + 2n * ORDER, (s + ORDER) | (1n << 255n)]) {
      if (other >= 2n ** 256n) continue;
      const forged = Buffer.concat([signature.slice(0, 32), littleEndian(other)]);
      expect(verifyFor('keymesh/v1/event', message, forged, key.publicKeyText)).toBe(false);
    }
  });

  test('agrees with an independent implementation on what it signs and takes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 200 }),
        (raw, text) => {
          const own = signingKeyOf(new Secret(Uint8Array.from(raw), 'seed'));
          const signed = lengthPrefixed('keymesh/v1/event', text);
          expect(own.publicKeyText).toBe(toBase64Url(ed25519.getPublicKey(raw)));
          expect(toBase64Url(signFor('keymesh/v1/event', text, own))).toBe(
            toBase64Url(ed25519.sign(signed, raw)),
          );
        },
      ),
      { numRuns: 20 },
    );
  });

  // Every encoding of a point of small order, found by the independent implementation and not by our list.
  test('is never taken under a key of small order, under which everybody can sign everything', () => {
    const torsion = ed25519.Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');
    const p = ed25519.Point.Fp.ORDER;
    const encodings = new Set<string>();
    for (let times = 1n; times <= 8n; times += 1n) {
      const point = times === 8n ? ed25519.Point.ZERO : torsion.multiply(times);
      expect(point.isSmallOrder()).toBe(true);
      for (const y of [point.y, point.y + p])
        for (const sign of [0n, 1n])
          if (y < 2n ** 255n) encodings.add(toBase64Url(littleEndian(y | (sign << 255n))));
    }
    expect(encodings.size).toBe(14);
    const forged = new Uint8Array(64);
    forged[0] = 1; // R: the neutral element; S: 0
    for (const text of encodings) {
      expect(verifyingKeyOf(text)).toBeUndefined();
      for (let round = 0; round < 8; round += 1)
        expect(verifyFor('keymesh/v1/event', Uint8Array.of(round), forged, text)).toBe(false);
    }
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
