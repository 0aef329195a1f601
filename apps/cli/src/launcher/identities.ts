import { randomBytes } from 'node:crypto';
import {
  SERVICES,
  STATIC_IDENTITIES,
  type NatsAccountsOptions,
  type ServiceName,
  type StaticIdentity,
} from '@keymesh/contracts';
import { Secret, fromBase64Url, signingKeyOf, toBase64Url, type SigningKey } from '@keymesh/kernel';
import {
  createAccount,
  createCurve,
  createUser,
  fromCurveSeed,
  fromSeed,
  type KeyPair,
} from '@nats-io/nkeys';
import { ensureFile } from './files.js';
import type { Home } from './home.js';

/** Public halves of everything that the mesh itself signs or connects with. */
export interface Identities {
  readonly nats: NatsAccountsOptions;
  /** Channel keys of the services. */
  readonly channelKeys: Readonly<Record<ServiceName, string>>;
  readonly bundlePublicKey: string;
}

const seedText = (pair: KeyPair): Uint8Array => pair.getSeed();
const randomText = (): string => toBase64Url(randomBytes(32));

/** Reads an Ed25519 seed kept as base64url. @throws Error when the file is damaged; it is never made anew silently. */
export function signingKeyIn(text: string): SigningKey {
  const bytes = fromBase64Url(text.trim());
  if (bytes?.length !== 32) throw new Error('a seed file does not hold 32 bytes in base64url');
  using seed = new Secret(bytes, 'signing-seed');
  return signingKeyOf(seed);
}

/**
 * Makes every key and password that does not exist yet; those that exist stay. Safe to repeat after a crash at any point.
 * The seeds stay in their files: only public halves are returned.
 */
export function ensureIdentities(home: Home): Identities {
  ensureFile(home.masterKey, () => randomBytes(32));
  for (const owner of [...SERVICES, 'deploy'])
    ensureFile(home.secret(owner, 'database.password'), randomText);
  ensureFile(home.secret('postgres', 'superuser.password'), randomText);
  ensureFile(home.secret('vault', 'backup.password'), randomText);
  for (const service of SERVICES) ensureFile(home.secret(service, 'state.key'), randomText);
  ensureFile(home.secret('audit', 'checkpoint.seed'), randomText);
  const channelKey = (service: ServiceName): string =>
    signingKeyIn(ensureFile(home.secret(service, 'signing.seed'), randomText)).publicKeyText;
  const nkey = (identity: StaticIdentity): string =>
    publicNkey(ensureFile(home.secret(identity, 'nats.seed'), () => seedText(createUser())));
  return {
    nats: {
      publicNkeys: record(STATIC_IDENTITIES, nkey),
      calloutIssuer: publicNkey(
        ensureFile(home.secret('policy', 'callout-issuer.seed'), () => seedText(createAccount())),
      ),
      calloutXkey: fromCurveSeed(
        Buffer.from(ensureFile(home.secret('policy', 'callout-xkey.seed'), () => seedText(createCurve()))),
      ).getPublicKey(),
    },
    channelKeys: record(SERVICES, channelKey),
    bundlePublicKey: signingKeyIn(ensureFile(home.secret('policy', 'bundle.seed'), randomText)).publicKeyText,
  };
}

/** Public half of an nkey seed in its text form. */
export const publicNkey = (seed: string): string => fromSeed(Buffer.from(seed.trim())).getPublicKey();

const record = <K extends string, V>(keys: readonly K[], make: (key: K) => V): Record<K, V> =>
  Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<K, V>;
