import { makeSigningKey, Secret, type SigningKey } from '@keymesh/kernel';
import { nkeyPairOf } from '@keymesh/mesh';
import { createUser } from '@nats-io/nkeys';

/** Two fresh keys for one session. The seeds never leave this process unless a profile keeps them. */
export interface SessionKeyPair {
  /** `U…` */
  readonly nkey: string;
  /** `SU…` as bytes. */
  readonly nkeySeed: Secret;
  readonly signingKey: SigningKey;
  /** 32 bytes. */
  readonly channelSeed: Secret;
}

/** Random. The caller disposes the seeds. */
export function makeSessionKeys(): SessionKeyPair {
  const nkeySeed = new Secret(createUser().getSeed(), 'nkey-seed');
  const { key, seed } = makeSigningKey();
  return { nkey: nkeyPairOf(nkeySeed).publicKey, nkeySeed, signingKey: key, channelSeed: seed };
}
