import { describe, expect, test } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { makeSplit, refusal, shown } from '../test/support.js';
import {
  makeRecoveryOpener,
  readRecoveryPublicKey,
  sealForRecovery,
  writeRecoveryPublicKey,
} from './index.js';

const context = '{"purpose":"spec"}';
const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');
// SOURCE: RFC 7748 section 6.1 and the known points of small order on Curve25519.
const SMALL_ORDER_POINTS = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map((point) => Uint8Array.from(Buffer.from(point, 'hex')));

describe('a key sealed for recovery', () => {
  test('opens with the private key, in its context, and is never the same twice', async () => {
    const { privateKey, recovery } = await makeSplit();
    const open = await makeRecoveryOpener(privateKey);
    privateKey.dispose(); // the opener has its own
    const sealed = await sealForRecovery(recovery, context, key());
    expect(shown(await open(context, sealed))).toBe(shown(key()));
    expect(Buffer.from(await sealForRecovery(recovery, context, key()))).not.toEqual(Buffer.from(sealed));
    expect(sealed).toHaveLength(32 + 65);
  });

  test('is refused with any bit flipped, at any other length, in another context or under another key, with one same error', async () => {
    const { privateKey, recovery } = await makeSplit();
    const open = await makeRecoveryOpener(privateKey);
    const sealed = await sealForRecovery(recovery, context, key());
    const wrong: Uint8Array[] = [Uint8Array.from([...sealed, 0]), Uint8Array.from([0, ...sealed])];
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const flipped = Uint8Array.from(sealed);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      wrong.push(flipped);
    }
    for (let size = 0; size < sealed.length; size += 1) wrong.push(sealed.slice(0, size));
    for (const bytes of wrong)
      // X25519 takes no notice of the highest bit of a point (RFC 7748 section 5); the KEM hashes it, so it is refused all the same.
      expect(await refusal(() => open(context, bytes))).toEqual({ code: 'DECRYPTION_FAILED', sentence: '' });
    expect(await refusal(() => open(`${context} `, sealed))).toEqual({
      code: 'DECRYPTION_FAILED',
      sentence: '',
    });
    const other = await makeSplit();
    const foreign = await makeRecoveryOpener(other.privateKey);
    const renamed = Uint8Array.from(sealed);
    renamed.set(Buffer.from(other.recovery.keyId, 'hex'), 1);
    expect(await refusal(() => foreign(context, sealed))).toEqual({
      code: 'DECRYPTION_FAILED',
      sentence: '',
    });
    expect(await refusal(() => foreign(context, renamed))).toEqual({
      code: 'DECRYPTION_FAILED',
      sentence: '',
    });
  });

  test('is neither made for nor opened with a point of small order: the shared secret would be zero', async () => {
    const { privateKey, recovery } = await makeSplit();
    const open = await makeRecoveryOpener(privateKey);
    const sealed = await sealForRecovery(recovery, context, key());
    for (const point of SMALL_ORDER_POINTS) {
      const planted = Uint8Array.from(sealed);
      planted.set(point, 17);
      expect(await refusal(() => open(context, planted))).toMatchObject({ code: 'DECRYPTION_FAILED' });
      const weak = { ...recovery, publicKey: point };
      expect(await refusal(() => sealForRecovery(weak, context, key()))).toMatchObject({
        code: 'DECRYPTION_FAILED',
      });
    }
  });
});

describe('a recovery public key as text', () => {
  test('comes back from its file', async () => {
    const { recovery } = await makeSplit(7, 4);
    const text = writeRecoveryPublicKey(recovery);
    expect(text).toMatch(/^keymesh-recovery(-[02-9ac-hj-np-z]{8}){8}$/);
    expect(readRecoveryPublicKey(`${text}\n`)).toEqual(recovery);
  });

  test('is refused when it is damaged', async () => {
    const text = writeRecoveryPublicKey((await makeSplit()).recovery);
    for (const wrong of [
      '',
      text.slice(1),
      text.slice(0, -1),
      `${text.slice(0, -1)}${text.endsWith('q') ? 'p' : 'q'}`,
    ])
      expect(await refusal(() => readRecoveryPublicKey(wrong))).toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
