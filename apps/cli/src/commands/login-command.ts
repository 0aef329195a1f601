import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  makeSessionKeys,
  openIdentitySession,
  requireProfileName,
  writeProfile,
  type IdentitySource,
  type MeshPlace,
} from '@keymesh/client';
import { closeSession, failure, trustRoot } from '@keymesh/contracts';
import { toBase64Url } from '@keymesh/kernel';
import { meshIdOf } from '@keymesh/policy-engine';
import type { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions, type Session } from '../command.js';
import { print, printJson } from '../output.js';
import { publicKeysOf } from '../rotate-keys.js';

interface LoginOptions extends CommonOptions {
  readonly tokenFile?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly as?: string;
  readonly natsUrl?: string;
  readonly meshKey?: string;
  readonly ca?: string;
  readonly lasting?: boolean;
}

/** `login`: keys for a while, for a token or a certificate that an identity rule knows. */
export const loginCommand = (): Command =>
  makeCommand(
    'login',
    'Become the principal that a token or a certificate stands for, for as long as its rule allows.',
    'keymesh login --token-file ~/id-token --as ci',
  )
    .option('--token-file <file>', 'a token of an issuer that a rule names')
    .option('--certificate <file>', 'a client certificate (PEM)')
    .option('--key <file>', 'its key (PKCS #8 PEM)')
    .option('--as <profile>', 'name of the profile that is written', 'login')
    .option('--nats-url <url>', 'the mesh’s NATS server (default: the one of this KEYMESH_HOME)')
    .option('--mesh-key <key>', 'the mesh’s public key (default: the one of this KEYMESH_HOME)')
    .option('--ca <file>', 'the authority of the server’s certificate (PEM)')
    .option('--lasting', 'write a profile without keys, which opens a session by itself whenever it is used')
    .action(async (options: LoginOptions) => {
      await runCommand('login', options, async (session) => {
        const source = sourceOf(options);
        const name = requireProfileName(options.as ?? 'login');
        const place = await placeOf(session, options);
        const keys = makeSessionKeys();
        const { principal, expiresAt } = await openIdentitySession(place, source, keys);
        const known = { v: 1 as const, name, ...withoutUndefined(place) };
        await writeProfile(
          session.home,
          options.lasting === true
            ? { ...known, identity: source }
            : {
                ...known,
                principal,
                // EXPOSE: the profile keeps both seeds, in a file of mode 0600, until the session ends.
                nkeySeed: Buffer.from(keys.nkeySeed.expose()).toString('utf8'),
                // EXPOSE: as above.
                channelSeed: toBase64Url(keys.channelSeed.expose()),
                session: { expiresAt },
              },
        );
        if (options.json) printJson({ principal, profile: name, expiresAt });
        else print(`You are ${principal} until ${expiresAt}. Use it with --profile ${name}.`);
      });
    });

/** `logout`: ends the session of a login before its time. */
export const logoutCommand = (): Command =>
  makeCommand('logout', 'End the session of a login.', 'keymesh logout --profile login').action(
    async (options: CommonOptions) => {
      await runCommand('logout', options, async (session) => {
        const profile = await session.profile();
        if (profile.session === undefined)
          throw failure('USAGE', { publicMessage: 'This profile is of no login. Name one with --profile.' });
        const { principal } = profile;
        const { nkey } = publicKeysOf(profile);
        const reply = await (await session.keymesh()).call(closeSession, { principal, nkey });
        if (options.json) printJson(reply);
        else print(`The session of ${principal} has ended.`);
      });
    },
  );

function sourceOf({ tokenFile, certificate, key }: LoginOptions): IdentitySource {
  if (tokenFile !== undefined && certificate === undefined && key === undefined)
    return { tokenFile: resolve(tokenFile) };
  if (tokenFile === undefined && certificate !== undefined && key !== undefined)
    return { certificateFile: resolve(certificate), keyFile: resolve(key) };
  throw failure('USAGE', { publicMessage: 'Give --token-file, or --certificate with --key.' });
}

/** A profile is used from other folders than the one that it was made in. */
const absolute = (file: string | undefined): string | undefined =>
  file === undefined ? undefined : resolve(file);

/** INVARIANT: the mesh key is pinned from somewhere that the NATS server has no say in: whoever can choose it reads the proof. */
async function placeOf(session: Session, options: LoginOptions): Promise<MeshPlace> {
  const [certFile, keyFile, caFile] = [options.certificate, options.key, options.ca].map(absolute);
  const meshPublicKey = options.meshKey ?? (await pinnedKey(session.home));
  if (meshPublicKey === undefined)
    throw failure('USAGE', {
      publicMessage:
        'Name the mesh’s public key with --mesh-key. An operator sees it with `keymesh identity-rule list`.',
    });
  const facts = options.natsUrl === undefined ? await session.facts() : undefined;
  const tls = caFile === undefined ? facts?.natsTls : withoutUndefined({ caFile, certFile, keyFile });
  return {
    natsUrl: options.natsUrl ?? facts?.natsUrl ?? '',
    meshId: meshIdOf(meshPublicKey),
    meshPublicKey,
    ...(tls === undefined ? {} : { tls }),
  };
}

async function pinnedKey(home: string): Promise<string | undefined> {
  const text = await readFile(join(home, 'trust.json'), 'utf8').catch(() => undefined);
  const parsed = trustRoot.safeParse(text === undefined ? undefined : JSON.parse(text));
  return parsed.success ? parsed.data.meshPublicKey : undefined;
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};
const withoutUndefined = <T extends object>(of: T): Defined<T> =>
  Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined)) as Defined<T>;
