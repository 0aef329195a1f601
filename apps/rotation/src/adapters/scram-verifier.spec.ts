import { describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { deriveScramVerifier } from './scram-verifier.js';

const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');

describe('the SCRAM verifier', () => {
  // SOURCE: RFC 7677 section 3: user `user`, password `pencil`. ServerKey and StoredKey computed from its salt and count with
  // Python's hashlib; the RFC's ServerSignature 6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4= follows from this ServerKey.
  it('agrees with the test vector of RFC 7677', () => {
    expect(deriveScramVerifier(Secret.fromText('pencil', 'password'), salt)).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
  });

  // Guarantee: whoever typed the password in another Unicode form can still log in.
  it('gives the same keys to the same password in other Unicode forms', () => {
    const verifier = (text: string) => deriveScramVerifier(Secret.fromText(text, 'password'), salt);
    expect(verifier('Ⅸ\u00A0pass\u00ADword')).toBe(verifier('IX password'));
    expect(verifier('e\u0301')).toBe(verifier('é'));
    expect(verifier('IX password')).not.toBe(verifier('ix password'));
  });

  it('leaves the password to its owner', () => {
    const password = Secret.fromText('pencil', 'password');
    deriveScramVerifier(password, salt);
    expect(password.sizeBytes).toBe(6);
    expect(() => password.expose()).not.toThrow();
  });
});
