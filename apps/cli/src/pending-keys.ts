import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { makeSigningKey, toBase64Url } from '@keymesh/kernel';
import { createUser } from '@nats-io/nkeys';
import { z } from 'zod';

/**
 * Keys that were made and are not in a profile yet: `KEYMESH_HOME/pending/<what>.json`, mode 0600. They are kept until the mesh has
 * taken them and the profile has them, so that a command that was killed goes on with the same keys when it is given again.
 */
const pendingKeys = z.strictObject({
  v: z.literal(1),
  /** nkey user seed, `SU…`. */
  nkeySeed: z.string().startsWith('SU'),
  nkey: z.string(),
  /** Ed25519 seed, 32 bytes base64url. */
  channelSeed: z.string().length(43),
  channelKey: z.string().length(43),
  /** Public keys of the profile that these are to replace; null at enrolment. */
  replaces: z.strictObject({ nkey: z.string(), channelKey: z.string() }).nullable(),
  /** The statement that was sent with them, at enrolment: the same one again gets the same answer. */
  statement: z.string().nullable(),
});
export type PendingKeys = z.output<typeof pendingKeys>;

/** Makes keys; they are nowhere but in memory then. */
export function makePendingKeys(replaces: PendingKeys['replaces']): PendingKeys {
  const nkey = createUser();
  const { key, seed } = makeSigningKey();
  try {
    return {
      v: 1,
      nkeySeed: Buffer.from(nkey.getSeed()).toString('utf8'),
      nkey: nkey.getPublicKey(),
      // EXPOSE: the file of mode 0600, and then the profile, is where this seed lives.
      channelSeed: toBase64Url(seed.expose()),
      channelKey: key.publicKeyText,
      replaces,
      statement: null,
    };
  } finally {
    seed.dispose();
  }
}

const pathOf = (home: string, what: string): string => join(home, 'pending', `${what}.json`);

/** @returns undefined when there are none, or when what is there is no such file. */
export async function readPendingKeys(home: string, what: string): Promise<PendingKeys | undefined> {
  const text = await readFile(pathOf(home, what), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return pendingKeys.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // INVARIANT: the parser's text quotes the file, which holds seeds.
  }
}

/** Whole or not at all, and on the disk before this resolves. */
export async function writePendingKeys(home: string, what: string, keys: PendingKeys): Promise<void> {
  await mkdir(join(home, 'pending'), { recursive: true, mode: 0o700 });
  const temporary = `${pathOf(home, what)}.${randomUUID()}`;
  await writeFile(temporary, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600, flush: true });
  await rename(temporary, pathOf(home, what));
}

/** The keys are in the profile by now. */
export const dropPendingKeys = (home: string, what: string): Promise<void> =>
  rm(pathOf(home, what), { force: true });
