import { gcm } from '@noble/ciphers/aes.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { pbkdf2Async } from '@noble/hashes/pbkdf2.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from '@jest/globals';
import { toHex } from '@keymesh/kernel';
import fc from 'fast-check';
import { createSecretKey, hkdfSync } from 'node:crypto';
import { everyBitFlipped, everyOtherLength, refusal, secretOf } from '../test/support.js';
import { openGcm, sealGcm } from './aes-gcm.js';
import { deriveRootKey } from './root.js';

// Vectors made by an implementation that shares no code with ours, valid and invalid ones.
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 });
const lengthsBut = (allowed: number) =>
  [0, 1, 7, 8, 11, 12, 13, 15, 16, 17, 32, 64].filter((size) => size !== allowed);

describe('AES-256-GCM agrees with an independent implementation:', () => {
  test('what one seals the other opens', () => {
    fc.assert(
      fc.property(key, nonce, bytes(80), bytes(200), (raw, iv, aad, text) => {
        const own = createSecretKey(raw);
        const theirs = gcm(raw, iv, aad).encrypt(text);
        expect(toHex(sealGcm(own, iv, aad, text))).toBe(toHex(theirs));
        expect(toHex(openGcm(own, iv, aad, theirs))).toBe(toHex(text));
      }),
      { numRuns: 300 },
    );
  });

  test('at the edges of blocks and counters', () => {
    const raw = new Uint8Array(32).fill(0xff);
    for (const iv of [
      new Uint8Array(12),
      new Uint8Array(12).fill(0xff),
      Uint8Array.from({ length: 12 }, (_, at) => at),
    ])
      for (const size of [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257, 4_095, 4_096, 4_097]) {
        const [text, aad] = [new Uint8Array(size).fill(0xff), new Uint8Array(size)];
        const sealed = sealGcm(createSecretKey(raw), iv, aad, text);
        expect(toHex(gcm(raw, iv, aad).decrypt(sealed))).toBe(toHex(text));
      }
  });

  test('refuses what is not authentic: any bit of ciphertext, tag, nonce, key or associated data, and any cut', () => {
    const [raw, iv, aad, text] = [32, 12, 20, 33].map((size) =>
      Uint8Array.from({ length: size }, (_, at) => at * 7),
    );
    const sealed = gcm(raw!, iv!, aad).encrypt(text!);
    const open = (change: { raw?: Uint8Array; iv?: Uint8Array; aad?: Uint8Array; sealed?: Uint8Array }) =>
      refusal(() =>
        openGcm(
          createSecretKey(change.raw ?? raw!),
          change.iv ?? iv!,
          change.aad ?? aad!,
          change.sealed ?? sealed,
        ),
      );
    expect(open({})).toBeUndefined();
    for (const flipped of everyBitFlipped(sealed))
      expect(open({ sealed: flipped })).toBe('DECRYPTION_FAILED');
    for (const other of everyOtherLength(sealed)) expect(open({ sealed: other })).toBe('DECRYPTION_FAILED');
    for (const flipped of everyBitFlipped(iv!)) expect(open({ iv: flipped })).toBe('DECRYPTION_FAILED');
    for (const flipped of everyBitFlipped(aad!)) expect(open({ aad: flipped })).toBe('DECRYPTION_FAILED');
    for (const other of everyOtherLength(aad!)) expect(open({ aad: other })).toBe('DECRYPTION_FAILED');
    for (const flipped of everyBitFlipped(raw!)) expect(open({ raw: flipped })).toBe('DECRYPTION_FAILED');
    const swapped = gcm(raw!, iv!, text).encrypt(aad!);
    expect(open({ sealed: swapped })).toBe('DECRYPTION_FAILED');
  });

  test('takes no nonce but of 12 bytes, though GCM would, and no tag but of 16', () => {
    const raw = new Uint8Array(32).fill(3);
    const own = createSecretKey(raw);
    const aad = new Uint8Array();
    for (const size of lengthsBut(12)) {
      const iv = new Uint8Array(size).fill(5);
      const sealed = size < 8 ? new Uint8Array(40) : gcm(raw, iv, aad).encrypt(new Uint8Array(24));
      expect(refusal(() => openGcm(own, iv, aad, sealed))).toBe('DECRYPTION_FAILED');
      expect(refusal(() => sealGcm(own, iv, aad, sealed))).toBe('DECRYPTION_FAILED');
    }
    const iv = new Uint8Array(12);
    const whole = gcm(raw, iv, aad).encrypt(new Uint8Array());
    for (let size = 0; size < 16; size += 1)
      expect(refusal(() => openGcm(own, iv, aad, whole.slice(0, size)))).toBe('DECRYPTION_FAILED');
  });
});

describe('key derivation agrees with an independent implementation:', () => {
  test.each([
    ['sha256', sha256, 32],
    ['sha512', sha512, 64],
  ] as const)('HKDF with %s', (name, hash, hashBytes) => {
    const size = fc.integer({ min: 1, max: 200 });
    fc.assert(
      fc.property(bytes(80), bytes(80), bytes(80), size, (ikm, salt, info, length) => {
        const ours = new Uint8Array(hkdfSync(name, ikm, salt, info, length));
        expect(toHex(ours)).toBe(toHex(hkdf(hash, ikm, salt, info, length)));
      }),
      { numRuns: 200 },
    );
    const most = 255 * hashBytes;
    const [ikm, none] = [new Uint8Array(32), new Uint8Array()];
    expect(toHex(new Uint8Array(hkdfSync(name, ikm, none, none, most)))).toBe(
      toHex(hkdf(hash, ikm, none, none, most)),
    );
    expect(() => hkdfSync(name, ikm, none, none, most + 1)).toThrow();
  });

  test('PBKDF2-HMAC-SHA256', async () => {
    const password = fc.uint8Array({ minLength: 1, maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(password, bytes(64), fc.integer({ min: 1, max: 300 }), async (secret, salt, c) => {
        const ours = await deriveRootKey(secretOf(secret), salt, c);
        const theirs = await pbkdf2Async(sha256, secret, salt, { c, dkLen: 32 });
        expect(ours.export().toString('hex')).toBe(toHex(theirs));
      }),
      { numRuns: 40 },
    );
  });
});
