import { failure, type RequestInput, type ReplyOf, type RpcContract } from '@keymesh/contracts';
import {
  fromBase64Url,
  KeymeshError,
  Secret,
  signingKeyOf,
  systemClock,
  type SigningKey,
} from '@keymesh/kernel';
import { connectMesh, makeCaller } from '@keymesh/mesh';
import { findHome, profileName } from './config.js';
import { makeCredentials, type CallOptions, type Credentials } from './credentials.js';
import { keepSession } from './identity/keep-session.js';
import { openIdentitySession } from './identity/open-identity-session.js';
import { makeSessionKeys } from './identity/session-keys.js';
import { makeLeases, type Leases } from './leases.js';
import { readAnyProfile, type IdentityProfile, type Profile } from './profile.js';

export interface ConnectOptions {
  /** A profile's name (default: KEYMESH_PROFILE, else `operator`), or the profile itself. */
  readonly profile?: string | Profile | IdentityProfile;
  /** Folder that holds `profiles/`. Default: KEYMESH_HOME, else the nearest `.keymesh`. */
  readonly home?: string;
}

/** One principal's connection to a mesh. Connections and channel sessions renew themselves. */
export interface Keymesh extends AsyncDisposable {
  readonly principal: string;
  readonly credentials: Credentials;
  readonly leases: Leases;
  /** Any other operation of `@keymesh/contracts`, by its contract. */
  call<C extends RpcContract>(
    contract: C,
    request: RequestInput<C>,
    options?: CallOptions,
  ): Promise<ReplyOf<C>>;
  close(): Promise<void>;
}

/**
 * Connects as a principal.
 * @throws PROFILE_NOT_FOUND, PROFILE_INVALID, MESH_NOT_RUNNING, DENIED.
 */
export async function connect(options: ConnectOptions = {}): Promise<Keymesh> {
  const profile =
    typeof options.profile === 'object'
      ? options.profile
      : await readAnyProfile(findHome(options.home), profileName(options.profile));
  const { principal, nkeySeed, signingKey, stop } = await identify(profile);
  const connection = await connectMesh({
    servers: profile.natsUrl,
    nkeySeed,
    principal,
    ...(profile.tls === undefined ? {} : { tls: profile.tls }),
  }).catch((error: unknown) => {
    stop();
    throw toldOfLogin(profile, error);
  });
  const caller = makeCaller({
    connection,
    principal,
    signingKey,
    meshPublicKey: profile.meshPublicKey,
    clock: systemClock,
  });
  const close = async (): Promise<void> => {
    stop();
    caller.close();
    await connection.close();
  };
  return {
    principal,
    credentials: makeCredentials(connection, caller),
    leases: makeLeases(connection, caller),
    call: (contract, request, callOptions) => caller.call(contract, request, callOptions),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Who somebody is, and how that ends. */
interface Identified {
  readonly principal: string;
  readonly nkeySeed: Secret;
  readonly signingKey: SigningKey;
  readonly stop: () => void;
}

const identify = (profile: Profile | IdentityProfile): Promise<Identified> | Identified =>
  'identity' in profile ? identifyByProof(profile) : identifyByKeys(profile);

function identifyByKeys({ name, principal, nkeySeed, channelSeed, session }: Profile): Identified {
  if (session !== undefined && Date.parse(session.expiresAt) <= Date.now())
    throw failure('PROFILE_INVALID', {
      publicMessage: `The login of the profile "${name}" has ended. Give \`keymesh login\` again.`,
    });
  const seed = new Secret(fromBase64Url(channelSeed) ?? failInvalid(), 'channel-seed');
  const signingKey = signingKeyOf(seed);
  seed.dispose();
  return { principal, nkeySeed: Secret.fromText(nkeySeed, 'nkey-seed'), signingKey, stop: () => undefined };
}

/** The keys of a login that has ended are nobody's, and the mesh says no more than that. */
function toldOfLogin(profile: Profile | IdentityProfile, error: unknown): unknown {
  if (!KeymeshError.is(error) || error.code !== 'DENIED') return error;
  if (!('session' in profile) || profile.session === undefined) return error;
  return failure('DENIED', {
    publicMessage: `The login of the profile "${profile.name}" was ended, or its principal is stopped; or the mesh’s policy service is away. Give \`keymesh login\` again.`,
    cause: error,
  });
}

async function identifyByProof(profile: IdentityProfile): Promise<Identified> {
  const keys = makeSessionKeys();
  keys.channelSeed.dispose();
  const open = () => openIdentitySession(profile, profile.identity, keys);
  const session = await open();
  const kept = keepSession(open, session);
  const { nkeySeed, signingKey } = keys;
  return { principal: session.principal, nkeySeed, signingKey, stop: () => kept.stop() };
}

function failInvalid(): never {
  throw failure('PROFILE_INVALID');
}
