import { readChannelKey, sealRequest, type ChannelKeyStatement } from '@keymesh/channel';
import {
  describeChannel,
  failure,
  openSession,
  proveSessionRequest,
  SESSION_USER,
  sessionAskerOf,
  type ReplyOf,
} from '@keymesh/contracts';
import { KeymeshError, systemClock, utf8 } from '@keymesh/kernel';
import { callPlain, connectMesh, type MeshConnection, type MeshTls } from '@keymesh/mesh';
import { endOfProof, readProof, type IdentitySource, type Proof } from './identity-proof.js';
import type { SessionKeyPair } from './session-keys.js';

/** A mesh as a client without keys knows it. */
export interface MeshPlace {
  readonly natsUrl: string;
  readonly meshId: string;
  /** Pinned: what vouches for the policy service's key, to which the proof is sealed. 32 bytes base64url. */
  readonly meshPublicKey: string;
  readonly tls?: MeshTls | undefined;
}

/**
 * Exchanges a proof of identity for a session with these keys; the same keys again prolong it. The proof is sealed to the policy
 * service: the NATS server, which may be anybody's, sees who asks under a name that is nobody's, and no token.
 * @throws IDENTITY_REJECTED, PROFILE_INVALID, MESH_NOT_RUNNING, DENIED where no rule lets other proofs stand, UNAVAILABLE.
 */
export async function openIdentitySession(
  mesh: MeshPlace,
  source: IdentitySource,
  keys: Pick<SessionKeyPair, 'nkey' | 'nkeySeed' | 'signingKey'>,
): Promise<ReplyOf<typeof openSession>> {
  const asker = sessionAskerOf(keys.nkey);
  const connection = await connectMesh({
    servers: mesh.natsUrl,
    nkeySeed: keys.nkeySeed,
    principal: asker,
    user: SESSION_USER,
    ...(mesh.tls === undefined ? {} : { tls: mesh.tls }),
  });
  try {
    return await ask(connection, asker, mesh, source, keys);
  } catch (error) {
    // Its key ended between the two questions.
    if (!KeymeshError.is(error) || error.code !== 'CHANNEL_EXPIRED') throw error;
    return await ask(connection, asker, mesh, source, keys);
  } finally {
    await connection.close();
  }
}

async function ask(
  connection: MeshConnection,
  asker: string,
  { meshId, meshPublicKey }: MeshPlace,
  source: IdentitySource,
  { nkey, signingKey }: Pick<SessionKeyPair, 'nkey' | 'signingKey'>,
): Promise<ReplyOf<typeof openSession>> {
  const { statements } = await callPlain(connection, asker, describeChannel.policy, {});
  const service = statements
    .map((text) => readChannelKey(text, meshPublicKey, 'policy', systemClock.now()))
    .find((known): known is ChannelKeyStatement => known !== undefined);
  if (service === undefined)
    throw failure('CHANNEL_REJECTED', {
      publicMessage:
        'The policy service has no key that this mesh vouches for. Check the mesh key, and the clocks.',
    });
  const sessionKeys = { meshId, nkey, channelKey: signingKey.publicKeyText };
  const proof = await readProof(source, sessionKeys, systemClock.now());
  const request = proveSessionRequest({ v: 1, ...sessionKeys, ...proof }, signingKey);
  const bytes = utf8(JSON.stringify(request));
  try {
    const sealed = await sealRequest(openSession.name, service, bytes, systemClock);
    return await callPlain(connection, asker, openSession, sealed);
  } catch (error) {
    throw toldOfEnd(proof, error);
  } finally {
    bytes.fill(0);
  }
}

/** The mesh says no more than that a proof is refused; what its bearer can see by its own clock we tell. */
function toldOfEnd(proof: Proof, error: unknown): unknown {
  if (!KeymeshError.is(error) || error.code !== 'IDENTITY_REJECTED') return error;
  const endMs = endOfProof(proof);
  if (endMs === undefined || endMs > systemClock.now()) return error;
  return failure('IDENTITY_REJECTED', {
    publicMessage: `This proof of identity ended at ${new Date(endMs).toISOString()}, by this machine’s clock. Get a new one.`,
    cause: error,
  });
}
