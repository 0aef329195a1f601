import { randomUUID } from 'node:crypto';
import type { Profile } from '@keymesh/client';
import { failure, type StatementOf } from '@keymesh/contracts';
import { fromBase64Url, Secret, signingKeyOf, type SigningKey } from '@keymesh/kernel';
import { proveKey, signStatement } from '@keymesh/policy-engine';
import { fromSeed } from '@nats-io/nkeys';
import type { PendingKeys } from './pending-keys.js';

/** Public keys of a principal. */
export interface PublicKeys {
  readonly nkeys: readonly string[];
  readonly channelKeys: readonly string[];
}

/** What rotation asks of the mesh, with the keys of the profile that is given. */
export interface RotationMesh {
  /** The principal's keys as the mesh knows them, asked with these; undefined when the mesh does not take these keys. */
  ownKeys(profile: Profile): Promise<PublicKeys | undefined>;
  addKeys(profile: Profile, statement: string): Promise<void>;
  removeKeys(profile: Profile, statement: string): Promise<void>;
}

/** Where keys wait, and the profile that they go into. Each write is whole or not at all, and durable. */
export interface RotationFiles {
  readPending(): Promise<PendingKeys | undefined>;
  writePending(keys: PendingKeys): Promise<void>;
  dropPending(): Promise<void>;
  writeProfile(profile: Profile): Promise<void>;
}

export interface RotationOptions {
  readonly mesh: RotationMesh;
  readonly files: RotationFiles;
  readonly makeKeys: (replaces: PublicKeyPair) => PendingKeys;
  readonly now: () => number;
}

type PublicKeyPair = NonNullable<PendingKeys['replaces']>;

/**
 * Gives a profile's principal new keys without a gap: new keys are kept, added beside the old ones, tried, put into the profile, and
 * the old ones are removed with them. Killed after any step it goes on from there when it is called again; at every moment the profile
 * holds keys that the mesh takes.
 * @returns the new public keys.
 */
export async function rotateKeys(profile: Profile, options: RotationOptions): Promise<PublicKeyPair> {
  const { mesh, files } = options;
  const pending = await pendingOf(profile, options);
  const renewed: Profile = { ...profile, nkeySeed: pending.nkeySeed, channelSeed: pending.channelSeed };
  const tried = (await mesh.ownKeys(renewed)) ?? (await addAndTry(profile, renewed, pending, options));
  await files.writeProfile(renewed);
  await removeOld(renewed, pending, tried, options);
  await files.dropPending();
  return { nkey: pending.nkey, channelKey: pending.channelKey };
}

/** Keys that wait count only for the profile that they were made for, before or after it got them. */
async function pendingOf(profile: Profile, { files, makeKeys }: RotationOptions): Promise<PendingKeys> {
  const present = publicKeysOf(profile);
  const waiting = await files.readPending();
  const isOurs = [waiting?.replaces?.channelKey, waiting?.channelKey].includes(present.channelKey);
  if (waiting?.replaces != null && isOurs) return waiting;
  const made = makeKeys(present);
  await files.writePending(made);
  return made;
}

async function addAndTry(
  profile: Profile,
  renewed: Profile,
  pending: PendingKeys,
  { mesh, now }: RotationOptions,
): Promise<PublicKeys> {
  await mesh.addKeys(profile, keysAdded(profile, pending, now()));
  const tried = await mesh.ownKeys(renewed);
  if (tried !== undefined) return tried;
  throw failure('UNAVAILABLE', {
    publicMessage:
      'The mesh has the new keys but does not take them yet. The profile still has the old ones; give the command again.',
  });
}

async function removeOld(
  renewed: Profile,
  { replaces }: PendingKeys,
  known: PublicKeys,
  { mesh, now }: RotationOptions,
): Promise<void> {
  const nkeys = known.nkeys.filter((nkey) => nkey === replaces?.nkey);
  const channelKeys = known.channelKeys.filter((key) => key === replaces?.channelKey);
  if (nkeys.length + channelKeys.length === 0) return;
  const statement: StatementOf<'principal.keys-removed'> = {
    ...about(renewed, now()),
    type: 'principal.keys-removed',
    nkeys,
    channelKeys,
  };
  await mesh.removeKeys(renewed, signStatement(statement, signingKeyOfProfile(renewed)));
}

function keysAdded(profile: Profile, { nkey, channelSeed, channelKey }: PendingKeys, nowMs: number): string {
  const said = about(profile, nowMs);
  const statement: StatementOf<'principal.keys-added'> = {
    ...said,
    type: 'principal.keys-added',
    nkeys: [nkey],
    channelKeys: [{ key: channelKey, proof: proveKey(said, signingKeyOfProfile({ channelSeed })) }],
  };
  return signStatement(statement, signingKeyOfProfile(profile));
}

const about = ({ meshId, principal }: Profile, nowMs: number) => ({
  v: 1 as const,
  meshId,
  statementId: randomUUID(),
  issuedAt: new Date(nowMs).toISOString(),
  issuer: principal,
  principal,
});

/** The channel key of a profile: what its principal signs statements with. */
export function signingKeyOfProfile({
  channelSeed,
  session,
}: Pick<Profile, 'channelSeed' | 'session'>): SigningKey {
  // INVARIANT (of every reader): session keys sign no statement. Said here, so that nobody has to guess why.
  if (session !== undefined)
    throw failure('DENIED', {
      publicMessage: 'A login signs nothing. Use a profile that was enrolled, whose key operators know.',
    });
  using seed = new Secret(fromBase64Url(channelSeed) ?? new Uint8Array(), 'channel-seed');
  return signingKeyOf(seed);
}

/** The public halves of a profile's keys. */
export const publicKeysOf = (profile: Pick<Profile, 'nkeySeed' | 'channelSeed'>): PublicKeyPair => ({
  nkey: fromSeed(Buffer.from(profile.nkeySeed, 'utf8')).getPublicKey(),
  channelKey: signingKeyOfProfile({ channelSeed: profile.channelSeed }).publicKeyText,
});
