import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { clientPrincipalName, failure, PRINCIPAL_KINDS } from '@keymesh/contracts';
import { z } from 'zod';
import { identitySource } from './identity/identity-proof.js';

const base64Url32 = z.string().length(43);
/** PEM files. */
const meshTls = z.strictObject({
  caFile: z.string().optional(),
  certFile: z.string().optional(),
  keyFile: z.string().optional(),
});

/** Who somebody is towards one mesh: `KEYMESH_HOME/profiles/<name>.json`, mode 0600. Holds the seeds of both keys. */
export const profileSchema = z.strictObject({
  v: z.literal(1),
  name: z.string(),
  meshId: z.string(),
  /** The mesh key, pinned at enrolment: what vouches for the services' channel keys. */
  meshPublicKey: base64Url32,
  principal: clientPrincipalName,
  kind: z.enum(PRINCIPAL_KINDS).optional(),
  natsUrl: z.string(),
  /** nkey user seed, `SU…`. */
  nkeySeed: z.string().startsWith('SU'),
  /** Ed25519 seed of the channel key, 32 bytes base64url. */
  channelSeed: base64Url32,
  tls: meshTls.optional(),
  /** Of a login: its keys are good until then, and sign no statement. */
  session: z.strictObject({ expiresAt: z.iso.datetime() }).optional(),
});
export type Profile = z.output<typeof profileSchema>;

/** Somebody without keys of its own: opens a session with a proof of identity, and prolongs it, for as long as it is connected. Nothing secret. */
export const identityProfileSchema = z.strictObject({
  v: z.literal(1),
  name: z.string(),
  meshId: z.string(),
  meshPublicKey: base64Url32,
  natsUrl: z.string(),
  identity: identitySource,
  tls: meshTls.optional(),
});
export type IdentityProfile = z.output<typeof identityProfileSchema>;

const pathOf = (home: string, name: string): string => join(home, 'profiles', `${name}.json`);
const isProfileName = (name: string): boolean => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name);

/**
 * A name that a profile can have: it becomes a file name, and leads nowhere else.
 * @throws USAGE. Ask before anything is done for the profile, so that nothing is done that nobody can use.
 */
export function requireProfileName(name: string): string {
  if (isProfileName(name)) return name;
  throw failure('USAGE', {
    publicMessage:
      'The name of a profile is up to 64 of a-z 0-9 . _ -, beginning with a letter or digit. Choose another one with --as.',
  });
}

/**
 * Reads a profile with keys.
 * @throws PROFILE_NOT_FOUND, PROFILE_INVALID (damaged, readable by others than its owner, or without keys of its own).
 */
export async function readProfile(home: string, name: string): Promise<Profile> {
  const profile = await readAnyProfile(home, name);
  if ('nkeySeed' in profile) return profile;
  throw failure('PROFILE_INVALID', {
    publicMessage: `The profile "${name}" has no keys of its own, which this takes. Use one that was enrolled.`,
  });
}

/**
 * Reads a profile, with keys or with a proof of identity instead.
 * @throws PROFILE_NOT_FOUND, PROFILE_INVALID (damaged, or readable by others than its owner).
 */
export async function readAnyProfile(home: string, name: string): Promise<Profile | IdentityProfile> {
  if (!isProfileName(name)) throw failure('PROFILE_NOT_FOUND');
  const path = pathOf(home, name);
  const file = await stat(path).catch(() => undefined);
  if (file === undefined) {
    throw failure('PROFILE_NOT_FOUND', {
      publicMessage: `There is no profile "${name}" in ${join(home, 'profiles')}. Start the mesh with \`npm start\`, or enrol with \`keymesh enrol --token …\`.`,
    });
  }
  if (process.platform !== 'win32' && (file.mode & 0o077) !== 0) {
    throw failure('PROFILE_INVALID', {
      publicMessage: `The profile "${name}" is readable by others. Run chmod 600 on its file, and consider its keys known.`,
    });
  }
  const parsed = z
    .union([profileSchema, identityProfileSchema])
    .safeParse(parse(await readFile(path, 'utf8')));
  if (!parsed.success) throw failure('PROFILE_INVALID');
  return parsed.data;
}

/** Writes a profile whole or not at all, mode 0600. Replaces one of the same name. @throws USAGE for a name that is no file's. */
export async function writeProfile(home: string, profile: Profile | IdentityProfile): Promise<void> {
  const path = pathOf(home, requireProfileName(profile.name));
  await mkdir(join(home, 'profiles'), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, `${JSON.stringify(profile, null, 2)}\n`, { mode: 0o600, flush: true });
  await rename(temporary, path);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // INVARIANT: the parser's text quotes the file, which holds seeds.
  }
}
