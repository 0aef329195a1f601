import { describe, expect, it } from '@jest/globals';
import { endOfProof } from './identity-proof.js';

const token = (claims: unknown): { token: string } => ({
  token: ['e30', Buffer.from(JSON.stringify(claims)).toString('base64url'), 'c2ln'].join('.'),
});

describe('the end of a proof, by its own words', () => {
  it('is the token’s exp', () => {
    expect(endOfProof(token({ exp: 1_800_000_000 }))).toBe(1_800_000_000_000);
  });

  it('is unknown where it says none that is a time, or is no token', () => {
    for (const claims of [{}, { exp: 'soon' }, { exp: 1e300 }, { exp: Number.MAX_SAFE_INTEGER }, null, 5])
      expect(endOfProof(token(claims))).toBeUndefined();
    for (const text of ['', '.', 'a.b.c', 'a..c']) expect(endOfProof({ token: text })).toBeUndefined();
    expect(
      endOfProof({ certificate: { chain: ['AAAA'], notAfter: '2026-11-26T00:00:00Z', signature: '' } }),
    ).toBeUndefined();
  });
});
