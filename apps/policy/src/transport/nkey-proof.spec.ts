import { describe, expect, it } from '@jest/globals';
import { utf8 } from '@keymesh/kernel';
import { makeTestPrincipal } from '@keymesh/testing';
import { nkeyPairOf } from '@keymesh/mesh';
import { isNonceSigned } from './nkey-proof.js';

const { nkeySeed, publicNkey } = makeTestPrincipal('billing');
const { sign } = nkeyPairOf(nkeySeed);
const signatureOf = (nonce: string): Buffer => Buffer.from(sign(utf8(nonce)));
const isProof = (nonce: string, signature: string): boolean =>
  isNonceSigned({ nkey: publicNkey, nonce, signature } as Parameters<typeof isNonceSigned>[0]);

describe("a client's signature over the nonce", () => {
  // Enough for every digit of either alphabet at some place.
  const nonces = Array.from({ length: 40 }, (_, index) => `nonce-${String(index)}`);

  it.each([
    ['base64url', (bytes: Buffer) => bytes.toString('base64url')],
    ['base64, as nats.py writes it', (bytes: Buffer) => bytes.toString('base64')],
    ['base64 without padding', (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')],
  ])('is taken in %s', (_form, encode) => {
    for (const nonce of nonces) expect(isProof(nonce, encode(signatureOf(nonce)))).toBe(true);
  });

  it('is refused of another nonce, of other bytes, and in no base64 at all', () => {
    expect(isProof('nonce-1', signatureOf('nonce-2').toString('base64'))).toBe(false);
    for (const text of ['', '=', '+/+/', 'not base64', signatureOf('nonce-1').toString('hex')])
      expect(isProof('nonce-1', text)).toBe(false);
  });
});
