import type { Secret } from '@keymesh/kernel';
import { fromSeed, Prefix, type KeyPair } from '@nats-io/nkeys';
// The package makes random nkeys only; a token's nkey is derived. Its codec is the one that its own seeds go through.
import { Codec } from '@nats-io/nkeys/lib/codec.js';

/**
 * The nkey user of a raw Ed25519 seed.
 * @param seed 32 bytes; the caller keeps ownership.
 */
export function nkeyOfSeed(seed: Secret): KeyPair {
  // EXPOSE: the nkey library takes the encoded seed.
  return fromSeed(Codec.encodeSeed(Prefix.User, seed.expose()));
}
