import { describe, expect, test } from '@jest/globals';
import { utf8 } from '@keymesh/kernel';
import fc from 'fast-check';
import { createSecretKey, hkdfSync } from 'node:crypto';
import { everyBitFlipped, everyOtherLength, refusal, secretOf, shown } from '../test/support.js';
import { ciphertextOfTwoKeys } from '../test/two-keys.js';
import { openGcm } from './aes-gcm.js';
import { bindValue } from './binding.js';
import { decryptValue, encryptValue, makeDek, makeKek, unwrapDek, wrapDek } from './index.js';

const binding = {
  namespaceId: '0198b0aa-0000-7000-8000-00000000000a',
  credentialId: '0198b0aa-0000-7000-8000-00000000000c',
  version: 3,
  dekId: '0198b0aa-0000-7000-8000-00000000000d',
};
const dekBinding = { dekId: binding.dekId, kekId: '0198b0aa-0000-7000-8000-00000000000e', kekVersion: 2 };

describe('an encrypted value', () => {
  const dek = makeDek();
  const plaintext = secretOf('the demo key of a provider');
  const encrypted = encryptValue({ dek, plaintext, binding });
  const open = (change: Partial<Parameters<typeof decryptValue>[0]>) =>
    refusal(() => decryptValue({ dek, encrypted, binding, ...change }));

  test('opens with its key in its place, as a Secret or a KeyObject', () => {
    expect(shown(decryptValue({ dek, encrypted, binding }))).toBe(shown(plaintext));
    const keyObject = createSecretKey(dek.expose());
    expect(shown(decryptValue({ dek: keyObject, encrypted, binding }))).toBe(shown(plaintext));
    expect(encrypted).toHaveLength(plaintext.sizeBytes + 93);
  });

  test('carries anything from 0 to 64 KiB', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 65_536, size: 'max' }), (bytes) => {
        const sealed = encryptValue({ dek, plaintext: secretOf(bytes), binding });
        expect(shown(decryptValue({ dek, encrypted: sealed, binding }))).toBe(
          Buffer.from(bytes).toString('hex'),
        );
      }),
      { numRuns: 30 },
    );
  });

  test('is refused with any bit flipped, cut or lengthened, always with the same error', () => {
    for (const bytes of everyBitFlipped(encrypted))
      expect(open({ encrypted: bytes })).toBe('DECRYPTION_FAILED');
    for (const bytes of everyOtherLength(encrypted))
      expect(open({ encrypted: bytes })).toBe('DECRYPTION_FAILED');
  });

  test.each([
    ['namespace', { namespaceId: binding.credentialId }],
    ['credential', { credentialId: binding.namespaceId }],
    ['version', { version: 2 }],
    ['DEK id', { dekId: binding.credentialId }],
    [
      'split between fields',
      { namespaceId: binding.namespaceId.slice(1), credentialId: `0${binding.credentialId}` },
    ],
  ])('is refused after a move: another %s', (_, change) => {
    expect(open({ binding: { ...binding, ...change } })).toBe('DECRYPTION_FAILED');
  });

  test('of one row is refused in another, though both have one DEK', () => {
    const other = { ...binding, credentialId: '0198b0aa-0000-7000-8000-0000000000ff' };
    const swapped = encryptValue({ dek, plaintext: secretOf('another value'), binding: other });
    expect(open({ encrypted: swapped })).toBe('DECRYPTION_FAILED');
    expect(open({ binding: other })).toBe('DECRYPTION_FAILED');
  });

  test('is refused under another key, or a key of another size', () => {
    expect(open({ dek: makeDek() })).toBe('DECRYPTION_FAILED');
    for (const size of [0, 16, 31, 33, 64]) {
      expect(open({ dek: secretOf(new Uint8Array(size)) })).toBe('DECRYPTION_FAILED');
      if (size > 0) expect(open({ dek: createSecretKey(new Uint8Array(size)) })).toBe('DECRYPTION_FAILED');
    }
  });

  test('is never the same twice, and shows nothing of the value', () => {
    expect(Buffer.from(encryptValue({ dek, plaintext, binding }))).not.toEqual(Buffer.from(encrypted));
    expect(Buffer.from(encrypted).includes('demo key')).toBe(false);
  });

  // GCM alone does not commit to its key: this ciphertext is authentic under two.
  test('made for two keys opens under the committed one alone', () => {
    const other = makeDek();
    const salt = encrypted.slice(1, 33);
    const nonce = encrypted.slice(65, 77);
    const aad = bindValue(binding);
    const keys = [dek, other].map((key) => {
      const derived = new Uint8Array(hkdfSync('sha512', key.expose(), salt, aad, 64));
      return { key: derived.slice(0, 32), commitment: derived.slice(32) };
    });
    const body = ciphertextOfTwoKeys([keys[0]!.key, keys[1]!.key], nonce, aad);
    const opened = keys.map(({ key }) => openGcm(createSecretKey(key), nonce, aad, body));
    expect(opened.map((bytes) => bytes.length)).toEqual([16, 16]); // the attack works against GCM
    expect(Buffer.from(opened[0]!)).not.toEqual(Buffer.from(opened[1]!));
    const crafted = (commitment: Uint8Array) =>
      Buffer.concat([encrypted.slice(0, 33), commitment, nonce, body]);
    expect(open({ encrypted: crafted(keys[0]!.commitment) })).toBeUndefined();
    expect(open({ encrypted: crafted(keys[0]!.commitment), dek: other })).toBe('DECRYPTION_FAILED');
    expect(open({ encrypted: crafted(keys[1]!.commitment) })).toBe('DECRYPTION_FAILED');
  });
});

describe('a wrapped DEK', () => {
  const kek = makeKek();
  const dek = makeDek();
  const wrapped = wrapDek({ kek, dek, binding: dekBinding });
  const open = (change: Partial<Parameters<typeof unwrapDek>[0]>) =>
    refusal(() => unwrapDek({ kek, wrapped, binding: dekBinding, ...change }));

  test('unwraps under its KEK to the same key', () => {
    expect(unwrapDek({ kek, wrapped, binding: dekBinding }).equals(dek)).toBe(true);
    expect(wrapped).toHaveLength(125);
  });

  test('is refused with any bit flipped, cut or lengthened', () => {
    for (const bytes of everyBitFlipped(wrapped)) expect(open({ wrapped: bytes })).toBe('DECRYPTION_FAILED');
    for (const bytes of everyOtherLength(wrapped)) expect(open({ wrapped: bytes })).toBe('DECRYPTION_FAILED');
  });

  test.each([
    ['DEK id', { dekId: dekBinding.kekId }],
    ['KEK id', { kekId: dekBinding.dekId }],
    ['KEK version', { kekVersion: 1 }],
  ])('is refused as another %s', (_, change) => {
    expect(open({ binding: { ...dekBinding, ...change } })).toBe('DECRYPTION_FAILED');
  });

  test('is refused under another KEK', () => expect(open({ kek: makeKek() })).toBe('DECRYPTION_FAILED'));

  test('is refused as a value, and a value as a wrapped DEK', () => {
    expect(refusal(() => decryptValue({ dek: kek, encrypted: wrapped, binding }))).toBe('DECRYPTION_FAILED');
    const value = encryptValue({ dek: kek, plaintext: dek, binding });
    expect(open({ wrapped: value })).toBe('DECRYPTION_FAILED');
  });

  test('holds a key of 32 bytes and nothing else', () => {
    expect(refusal(() => wrapDek({ kek, dek: secretOf(utf8('short')), binding: dekBinding }))).toBe(
      'DECRYPTION_FAILED',
    );
  });

  test('is never the same twice', () => {
    expect(Buffer.from(wrapDek({ kek, dek, binding: dekBinding }))).not.toEqual(Buffer.from(wrapped));
  });
});
