import {
  identityPrincipal,
  STATIC_IDENTITIES,
  type PrincipalKind,
  type Role,
  type StaticIdentity,
} from '@keymesh/contracts';
import { makeSigningKey, Secret, type SigningKey } from '@keymesh/kernel';
import { nkeyPairOf } from '@keymesh/mesh';
import { createUser } from '@nats-io/nkeys';

/** A principal with both of its keys. */
export interface TestPrincipal {
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly roles: readonly Role[];
  /** Text form of the seed (`SU…`) as bytes. */
  readonly nkeySeed: Secret;
  /** `U…` */
  readonly publicNkey: string;
  /** Channel key; of a service also the key that signs its packs and events. */
  readonly signingKey: SigningKey;
  readonly signingSeed: Secret;
}

/** Makes a principal's random keys. */
export function makeTestPrincipal(
  name: string,
  roles: readonly Role[] = [],
  kind: PrincipalKind = 'service',
): TestPrincipal {
  const nkeySeed = new Secret(createUser().getSeed(), 'nkey-seed');
  const { key, seed } = makeSigningKey();
  return {
    name,
    kind,
    roles,
    nkeySeed,
    publicNkey: nkeyPairOf(nkeySeed).publicKey,
    signingKey: key,
    signingSeed: seed,
  };
}

const SYSTEM_ROLES: Partial<Record<StaticIdentity, readonly Role[]>> = {
  rotation: ['rotator'],
  'anomaly-detector': ['locker'],
};

/** Keys of every static identity. */
export const makeTestIdentities = (): Record<StaticIdentity, TestPrincipal> =>
  Object.fromEntries(
    STATIC_IDENTITIES.map((identity) => [
      identity,
      makeTestPrincipal(identityPrincipal(identity), SYSTEM_ROLES[identity] ?? [], 'system'),
    ]),
  ) as Record<StaticIdentity, TestPrincipal>;
