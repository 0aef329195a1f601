import {
  identityPrincipal,
  STATIC_IDENTITIES,
  type PrincipalKind,
  type Role,
  type StaticIdentity,
} from '@keymesh/contracts';
import { makeSigningKey, Secret, type SigningKey } from '@keymesh/kernel';
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
  const nkey = createUser();
  const { key, seed } = makeSigningKey();
  return {
    name,
    kind,
    roles,
    nkeySeed: new Secret(nkey.getSeed(), 'nkey-seed'),
    publicNkey: nkey.getPublicKey(),
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
