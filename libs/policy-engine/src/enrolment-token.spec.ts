import { describe, expect, it } from '@jest/globals';
import { makeSigningKey, signingKeyOf } from '@keymesh/kernel';
import { codeOf } from '../test/fixtures.js';
import { isMeshKeyOfToken, makeEnrolmentToken, readEnrolmentToken } from './enrolment-token.js';

const meshPublicKey = makeSigningKey().key.publicKeyText;
const textOf = (made: ReturnType<typeof makeEnrolmentToken>) => new TextDecoder().decode(made.token.expose());

describe('enrolment tokens', () => {
  it('give the reader the same two keys as the maker, and the mesh key to pin', () => {
    const made = makeEnrolmentToken({ principal: 'billing', meshPublicKey });
    const read = readEnrolmentToken(` ${textOf(made)}\n`);
    expect(read.principal).toBe('billing');
    expect(read.connectSeed.equals(made.connectSeed)).toBe(true);
    expect(read.signSeed.equals(made.signSeed)).toBe(true);
    expect(isMeshKeyOfToken(read, meshPublicKey)).toBe(true);
    expect(isMeshKeyOfToken(read, makeSigningKey().key.publicKeyText)).toBe(false);
    expect(isMeshKeyOfToken(read, 'no key')).toBe(false);
  });

  it('connect and sign with different keys, each token with its own', () => {
    const [a, b] = [1, 2].map(() => makeEnrolmentToken({ principal: 'billing', meshPublicKey }));
    const keys = [a!.connectSeed, a!.signSeed, b!.connectSeed, b!.signSeed].map(
      (seed) => signingKeyOf(seed).publicKeyText,
    );
    expect(new Set(keys).size).toBe(4);
  });

  it('never show themselves', () => {
    const made = makeEnrolmentToken({ principal: 'billing', meshPublicKey });
    expect(JSON.stringify(made)).not.toContain(textOf(made).split('.')[2]);
  });

  it('derive as they always did (golden)', () => {
    const body = Buffer.concat([Buffer.alloc(32, 7), Buffer.alloc(32, 9)]).toString('base64url');
    const { connectSeed, signSeed } = readEnrolmentToken(`kmt1.billing.${body}`);
    expect([connectSeed, signSeed].map((seed) => Buffer.from(seed.expose()).toString('hex')))
      .toMatchInlineSnapshot(`
     [
       "82b14d237fda963f0e6607e9320971792c6bb186f9375aab6ae3127749a36efe",
       "1f3aa588579bf4ef9160623a0609148c4c9436c976af5ee22d6d644888c6ffc2",
     ]
    `);
  });

  it.each([
    '',
    'kmt1',
    'kmt2.billing.AAAA',
    'kmt1.billing.AAAA',
    'kmt1.Billing.',
    'kmt1._vault.AAAA',
    'kmt1.a.b.c',
  ])('refuses %p', (text) => {
    expect(codeOf(() => readEnrolmentToken(text))).toBe('ENROLMENT_REJECTED');
  });
});
