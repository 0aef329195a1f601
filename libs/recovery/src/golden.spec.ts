import { describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { choicesOf, secretText, shown } from '../test/support.js';
import { joinShares, makeRecoveryOpener, readRecoveryPublicKey, readShare } from './index.js';

const golden = JSON.parse(
  readFileSync(new URL('../test/golden/recovery-v1.json', import.meta.url), 'utf8'),
) as Record<'privateKey' | 'publicKeyText' | 'context' | 'key' | 'sealed', string> & { shares: string[] };

const LETTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';

/** The bytes of a text form, read without any code of this library. */
function bytesOf(text: string): Buffer {
  const letters = text.split('-').slice(2).join('');
  const bits = Array.from(letters, (letter) => LETTERS.indexOf(letter).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)));
}

/** The product in GF(256) with the polynomial of AES, bit by bit. */
function times(one: number, other: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit += 1) {
    if (((other >> bit) & 1) === 1) product ^= one;
    one = (one << 1) ^ ((one & 0x80) === 0 ? 0 : 0x11b);
  }
  return product;
}
const inverse = (value: number): number =>
  [...Array(256).keys()].find((other) => times(value, other) === 1) ?? 0;

/** Lagrange at zero: a second implementation of putting shares together. */
function join(shares: readonly Buffer[]): string {
  const points = shares.map((share) => ({ x: share.at(-1)!, y: share.subarray(0, -1) }));
  const bytes = [...Array(32).keys()].map((at) =>
    points.reduce((sum, { x, y }) => {
      const weights = points
        .filter((point) => point.x !== x)
        .map((point) => times(point.x, inverse(point.x ^ x)));
      return sum ^ weights.reduce(times, y[at]!);
    }, 0),
  );
  return Buffer.from(bytes).toString('hex');
}

describe('what was made in the past still opens:', () => {
  test('shares, format 1, here and by a second implementation', async () => {
    for (const texts of choicesOf(golden.shares, 3)) {
      expect(shown(await joinShares(texts.map((text) => readShare(secretText(text)))))).toBe(
        golden.privateKey,
      );
      expect(join(texts.map((text) => bytesOf(text).subarray(52, 85)))).toBe(golden.privateKey);
    }
  });

  test('the fields of a share, where ADR 0007 says', () => {
    const { publicKey, keyId } = readRecoveryPublicKey(golden.publicKeyText);
    const sized = (bytes: Uint8Array) => Buffer.concat([Buffer.of(0, 0, 0, bytes.length), bytes]);
    for (const [at, text] of golden.shares.entries()) {
      const bytes = bytesOf(text);
      expect(bytes).toHaveLength(90);
      expect(bytes.subarray(0, 20).toString('hex')).toBe(`01${keyId}0${String(at + 1)}0503`);
      const commitment = createHash('sha256')
        .update(sized(Buffer.from('keymesh/v1/recovery-commitment')))
        .update(sized(publicKey))
        .update(sized(Buffer.of(5, 3)))
        .update(sized(Buffer.from(golden.privateKey, 'hex')));
      expect(bytes.subarray(20, 52)).toEqual(commitment.digest());
    }
  });

  test('a key sealed for recovery, format 1', async () => {
    const joined = await joinShares(golden.shares.map((text) => readShare(secretText(text))));
    const open = await makeRecoveryOpener(joined);
    expect(shown(await open(golden.context, Uint8Array.from(Buffer.from(golden.sealed, 'hex'))))).toBe(
      golden.key,
    );
  });
});
