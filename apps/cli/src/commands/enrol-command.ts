import { randomUUID } from 'node:crypto';
import { writeProfile, type Profile } from '@keymesh/client';
import { enrolPrincipal, failure, type ReplyOf } from '@keymesh/contracts';
import { makeSigningKey, Secret, signingKeyOf, toBase64Url } from '@keymesh/kernel';
import { callPlain, connectMesh } from '@keymesh/mesh';
import {
  enrolmentIdOf,
  isMeshKeyOfToken,
  meshIdOfHash,
  readEnrolmentToken,
  signStatement,
  type EnrolmentToken,
} from '@keymesh/policy-engine';
import { createUser } from '@nats-io/nkeys';
import type { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { nkeyOfSeed } from '../nkey-of-seed.js';
import { print, printJson } from '../output.js';
import { readValue } from '../value-input.js';

interface EnrolOptions extends CommonOptions {
  readonly token?: string;
  readonly as?: string;
  readonly natsUrl?: string;
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
    .action(async (options: EnrolOptions) => {
      await runCommand('enrol', options, async (session) => {
        const token = readEnrolmentToken(await tokenText(options));
        const profile = await enrol(token, options.natsUrl ?? (await session.facts()).natsUrl, options.as);
        await writeProfile(session.home, profile);
        if (options.json)
          printJson({ principal: profile.principal, profile: profile.name, meshId: profile.meshId });
        else print(`Enrolled ${profile.principal}. Use it with --profile ${profile.name}.`);
      });
    });

async function tokenText({ token }: EnrolOptions): Promise<string> {
  if (token !== undefined) return token;
  using typed = await readValue({ exact: false, prompt: 'Enrolment token (hidden):' });
  // EXPOSE: parsed at once into its two seeds.
  return Buffer.from(typed.expose()).toString('utf8');
}

async function enrol(
  token: EnrolmentToken,
  natsUrl: string,
  profileName: string | undefined,
): Promise<Profile> {
  const { principal } = token;
  const nkey = createUser();
  const { key, seed } = makeSigningKey();
  const tokenKey = signingKeyOf(token.signSeed);
  const meshId = meshIdOfHash(token.meshKeyHash);
  const statement = signStatement(
    {
      v: 1,
      type: 'enrolment.completed',
      meshId,
      statementId: randomUUID(),
      issuedAt: new Date().toISOString(),
      issuer: principal,
      principal,
      enrolment: enrolmentIdOf(tokenKey.publicKeyText),
      nkey: nkey.getPublicKey(),
      channelKey: key.publicKeyText,
    },
    tokenKey,
  );
  const reply = await sendCompletion(token, natsUrl, statement);
  // The only thing that ties this connection to the mesh that the operator meant.
  if (!isMeshKeyOfToken(token, reply.meshPublicKey)) {
    throw failure('ENROLMENT_REJECTED', {
      publicMessage:
        'This mesh is not the one that the token is for. Check --nats-url, and tell the operator.',
    });
  }
  try {
    const nkeySeed = Buffer.from(nkey.getSeed()).toString('utf8');
    // EXPOSE: the profile file (mode 0600) is where this seed lives.
    const channelSeed = toBase64Url(seed.expose());
    return {
      v: 1,
      name: profileName ?? principal,
      meshId,
      meshPublicKey: reply.meshPublicKey,
      principal,
      natsUrl,
      nkeySeed,
      channelSeed,
    };
  } finally {
    seed.dispose();
  }
}

/** Over a connection that the token's nkey may open and that reaches this one operation. */
async function sendCompletion(
  token: EnrolmentToken,
  natsUrl: string,
  statement: string,
): Promise<ReplyOf<typeof enrolPrincipal>> {
  const nkeySeed = new Secret(nkeyOfSeed(token.connectSeed).getSeed(), 'nkey-seed');
  const connection = await connectMesh({ servers: natsUrl, nkeySeed, principal: token.principal });
  try {
    return await callPlain(connection, token.principal, enrolPrincipal, { statement });
  } finally {
    await connection.close();
  }
}
