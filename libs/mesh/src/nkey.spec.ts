import { describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { createAccount, createUser, fromPublic } from '@nats-io/nkeys';
import { isSignedByNkey, nkeyPairOf } from './nkey.js';

const message = new TextEncoder().encode('a nonce');

describe('nkeyPairOf', () => {
  it.each([
    ['user', createUser],
    ['account', createAccount],
  ])('agrees with the nkeys package on a %s key', (_kind, create) => {
    const theirs = create();
    const ours = nkeyPairOf(new Secret(theirs.getSeed(), 'seed'));
    expect(ours.publicKey).toBe(theirs.getPublicKey());
    expect(fromPublic(ours.publicKey).verify(message, ours.sign(message))).toBe(true);
  });

  it('refuses a damaged seed without repeating it', () => {
    const seed = createUser().getSeed();
    seed[10] = seed[10] === 65 ? 66 : 65;
    expect(() => nkeyPairOf(new Secret(seed, 'seed'))).toThrow('not an nkey seed');
  });
});

describe('isSignedByNkey', () => {
  const user = createUser();
  const signature = user.sign(message);

  it('accepts what the nkeys package signed', () => {
    expect(isSignedByNkey(user.getPublicKey(), message, signature)).toBe(true);
  });

  it('refuses another key, another message, a damaged key and an account key', () => {
    expect(isSignedByNkey(createUser().getPublicKey(), message, signature)).toBe(false);
    expect(isSignedByNkey(user.getPublicKey(), new Uint8Array(3), signature)).toBe(false);
    expect(isSignedByNkey(user.getPublicKey().slice(0, -1), message, signature)).toBe(false);
    expect(isSignedByNkey('no nkey', message, signature)).toBe(false);
    const account = createAccount();
    expect(isSignedByNkey(account.getPublicKey(), message, account.sign(message))).toBe(false);
  });
});
