import { failure, type RequestInput, type ReplyOf, type RpcContract } from '@keymesh/contracts';
import { fromBase64Url, Secret, signingKeyOf, systemClock } from '@keymesh/kernel';
import { connectMesh, makeCaller } from '@keymesh/mesh';
import { findHome, profileName } from './config.js';
import { makeCredentials, type CallOptions, type Credentials } from './credentials.js';
import { makeLeases, type Leases } from './leases.js';
import { readProfile, type Profile } from './profile.js';

export interface ConnectOptions {
  /** A profile's name (default: KEYMESH_PROFILE, else `operator`), or the profile itself. */
  readonly profile?: string | Profile;
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
      : await readProfile(findHome(options.home), profileName(options.profile));
  const channelSeed = new Secret(fromBase64Url(profile.channelSeed) ?? failInvalid(), 'channel-seed');
  const signingKey = signingKeyOf(channelSeed);
  channelSeed.dispose();
  const connection = await connectMesh({
    servers: profile.natsUrl,
    nkeySeed: Secret.fromText(profile.nkeySeed, 'nkey-seed'),
    principal: profile.principal,
  });
  const caller = makeCaller({
    connection,
    principal: profile.principal,
    signingKey,
    meshPublicKey: profile.meshPublicKey,
    clock: systemClock,
  });
  const close = async (): Promise<void> => {
    caller.close();
    await connection.close();
  };
  return {
    principal: profile.principal,
    credentials: makeCredentials(connection, caller),
    leases: makeLeases(connection, caller),
    call: (contract, request, callOptions) => caller.call(contract, request, callOptions),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function failInvalid(): never {
  throw failure('PROFILE_INVALID');
}
