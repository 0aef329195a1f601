import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { requireProfileName, writeProfile, type Profile } from '@keymesh/client';
import { enrolPrincipal, failure, type ReplyOf } from '@keymesh/contracts';
import { KeymeshError, Secret, signingKeyOf, type SigningKey } from '@keymesh/kernel';
import { callPlain, connectMesh } from '@keymesh/mesh';
import {
  enrolmentIdOf,
  isMeshKeyOfToken,
  meshIdOfHash,
  readEnrolmentToken,
  readStatement,
  signStatement,
  type EnrolmentToken,
} from '@keymesh/policy-engine';
import type { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions, type Session } from '../command.js';
import { nkeyOfSeed } from '../nkey-of-seed.js';
import { print, printJson } from '../output.js';
import {
  dropPendingKeys,
  makePendingKeys,
  readPendingKeys,
  writePendingKeys,
  type PendingKeys,
} from '../pending-keys.js';
import { readValue } from '../value-input.js';

interface EnrolOptions extends CommonOptions {
  readonly token?: string;
  readonly as?: string;
  readonly natsUrl?: string;
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
}

/** `enrol`: makes this principal's keys, which never leave the machine, and its profile. */
export const enrolCommand = (): Command =>
  makeCommand(
    'enrol',
    'Become a principal with a one-time token; makes its keys and a profile.',
    'keymesh enrol --token kmt1.billing.…',
  )
    .option('--token <token>', 'the token (works once; without this option: hidden prompt or standard input)')
    .option('--as <profile>', 'name of the profile (default: the principal)')
    .option('--nats-url <url>', 'the mesh’s NATS server (default: the one of this KEYMESH_HOME)')
    .option('--ca <file>', 'the authority of the server’s certificate (PEM)')
    .option('--certificate <file>', 'a client certificate (PEM), where the server asks for one')
    .option('--key <file>', 'its key (PEM)')
    .action(async (options: EnrolOptions) => {
      await runCommand('enrol', options, async (session) => {
        if (options.as !== undefined) requireProfileName(options.as);
        const token = readEnrolmentToken(await tokenText(options));
        const profile = await enrol(token, await busOf(options, session), options.as, session.home);
        await writeProfile(session.home, profile);
        await dropPendingKeys(session.home, waitingKeys(token));
        if (options.json)
          printJson({ principal: profile.principal, profile: profile.name, meshId: profile.meshId });
        else print(`Enrolled ${profile.principal}. Use it with --profile ${profile.name}.`);
      });
    });

/** Where the mesh is. */
type Bus = Pick<Profile, 'natsUrl' | 'tls'>;

/** As the options say; without an address the mesh of this home, with its authority. */
async function busOf(options: EnrolOptions, session: Session): Promise<Bus> {
  const own = tlsOf(options);
  if (options.natsUrl !== undefined) return { natsUrl: options.natsUrl, ...own };
  const { natsUrl, natsTls } = await session.facts();
  return { natsUrl, ...(natsTls === undefined ? own : { tls: { ...natsTls, ...own.tls } }) };
}

/** Absolute: a profile is used from other folders than the one that it was made in. */
function tlsOf({ ca, certificate, key }: EnrolOptions): Pick<Profile, 'tls'> {
  if (ca === undefined && certificate === undefined) return {};
  return {
    tls: {
      ...(ca === undefined ? {} : { caFile: resolve(ca) }),
      ...(certificate === undefined ? {} : { certFile: resolve(certificate) }),
      ...(key === undefined ? {} : { keyFile: resolve(key) }),
    },
  };
}

async function tokenText({ token }: EnrolOptions): Promise<string> {
  if (token !== undefined) return token;
  using typed = await readValue({ exact: false, prompt: 'Enrolment token (hidden):' });
  // EXPOSE: parsed at once into its two seeds.
  return Buffer.from(typed.expose()).toString('utf8');
}

/**
 * Keys are made once for a token and kept until the profile has them: the answer may be lost after the mesh took them, and a token
 * works once. Given again, the same statement over the connection that the new keys open gets the same answer.
 */
async function enrol(
  token: EnrolmentToken,
  bus: Bus,
  profileName: string | undefined,
  home: string,
): Promise<Profile> {
  const { principal } = token;
  const tokenKey = signingKeyOf(token.signSeed);
  const what = waitingKeys(token);
  const waiting = await readPendingKeys(home, what);
  const keys = isSaidOf(waiting, principal) ? waiting : withStatement(token, tokenKey, makePendingKeys(null));
  await writePendingKeys(home, what, keys);
  const reply = await sendCompletion(token, bus, keys);
  // The only thing that ties this connection to the mesh that the operator meant.
  if (!isMeshKeyOfToken(token, reply.meshPublicKey)) {
    throw failure('ENROLMENT_REJECTED', {
      publicMessage:
        'This mesh is not the one that the token is for. Check --nats-url, and tell the operator.',
    });
  }
  return {
    v: 1,
    name: profileName ?? principal,
    meshId: meshIdOfHash(token.meshKeyHash),
    meshPublicKey: reply.meshPublicKey,
    principal,
    ...bus,
    nkeySeed: keys.nkeySeed,
    channelSeed: keys.channelSeed,
  };
}

const waitingKeys = (token: EnrolmentToken): string =>
  `enrol-${enrolmentIdOf(signingKeyOf(token.signSeed).publicKeyText)}`;

/** The name in a token is not signed: a first try with a mistyped one must not be what the right one sends. */
function isSaidOf(waiting: PendingKeys | undefined, principal: string): waiting is PendingKeys {
  if (typeof waiting?.statement !== 'string') return false;
  try {
    const { statement } = readStatement(waiting.statement);
    return statement.type === 'enrolment.completed' && statement.principal === principal;
  } catch {
    return false; // damaged: of no use, so that new keys lose nothing
  }
}

const withStatement = (
  { principal, meshKeyHash }: EnrolmentToken,
  tokenKey: SigningKey,
  keys: PendingKeys,
): PendingKeys => ({
  ...keys,
  statement: signStatement(
    {
      v: 1,
      type: 'enrolment.completed',
      meshId: meshIdOfHash(meshKeyHash),
      statementId: randomUUID(),
      issuedAt: new Date().toISOString(),
      issuer: principal,
      principal,
      enrolment: enrolmentIdOf(tokenKey.publicKeyText),
      nkey: keys.nkey,
      channelKey: keys.channelKey,
    },
    tokenKey,
  ),
});

/** Over a connection that the token's nkey may open and that reaches this one operation; or, when the mesh has the keys already, theirs. */
async function sendCompletion(
  token: EnrolmentToken,
  { natsUrl, tls }: Bus,
  { statement, nkeySeed }: PendingKeys,
): Promise<ReplyOf<typeof enrolPrincipal>> {
  const send = async (seed: Secret): Promise<ReplyOf<typeof enrolPrincipal>> => {
    const connection = await connectMesh({
      ...{ servers: natsUrl, nkeySeed: seed, principal: token.principal },
      ...(tls === undefined ? {} : { tls }),
    });
    try {
      return await callPlain(connection, token.principal, enrolPrincipal, { statement: statement ?? '' });
    } finally {
      await connection.close();
    }
  };
  try {
    return await send(new Secret(nkeyOfSeed(token.connectSeed).getSeed(), 'nkey-seed'));
  } catch (error) {
    if (!KeymeshError.is(error) || error.code !== 'DENIED') throw error;
    // Refused for the token: used by these keys, or no good. Only in the first case the mesh knows them.
    return await send(Secret.fromText(nkeySeed, 'nkey-seed')).catch(() => Promise.reject(error));
  }
}
