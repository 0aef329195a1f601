import {
  createPrincipal,
  disablePrincipal,
  failure,
  listPrincipals,
  PRINCIPAL_KINDS,
  ROLES,
  unlockPrincipal,
  type PrincipalKind,
  type Role,
} from '@keymesh/contracts';
import { HOUR, signingKeyOf, type Secret } from '@keymesh/kernel';
import { enrolmentIdOf, makeEnrolmentToken, signStatement } from '@keymesh/policy-engine';
import type { Profile } from '@keymesh/client';
import { Command, Option } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { nkeyOfSeed } from '../nkey-of-seed.js';
import { signingKeyOfProfile } from '../rotate-keys.js';
import { note, print, printJson, table } from '../output.js';
import {
  enableCommand,
  lockCommand,
  removeKeyCommand,
  setAttributesCommand,
  showCommand,
} from './principal-change-commands.js';
import { rotateKeyCommand } from './rotate-key-command.js';

/** `principal create|list|show|disable|enable|lock|unlock|rotate-key|remove-key|set-attributes`. */
export const principalCommand = (): Command =>
  new Command('principal')
    .description('Who may use the mesh.')
    .addCommand(create())
    .addCommand(list())
    .addCommand(showCommand())
    .addCommand(disable())
    .addCommand(enableCommand())
    .addCommand(lockCommand())
    .addCommand(unlock())
    .addCommand(rotateKeyCommand())
    .addCommand(removeKeyCommand())
    .addCommand(setAttributesCommand());

interface CreateOptions extends CommonOptions {
  readonly kind: PrincipalKind;
  readonly role: readonly Role[];
  readonly expiresIn: string;
}

function create(): Command {
  return makeCommand(
    'create',
    'Invite a principal: prints a one-time token for `keymesh enrol`.',
    'keymesh principal create billing --kind service --role reader',
  )
    .argument('<name>')
    .addOption(
      new Option('--kind <kind>', 'what it is')
        .choices(PRINCIPAL_KINDS.filter((kind) => kind !== 'system'))
        .default('service'),
    )
    .addOption(
      new Option('--role <role...>', 'what it may do; repeat for more')
        .choices(ROLES.filter((role) => role !== 'locker'))
        .makeOptionMandatory(),
    )
    .option('--expires-in <hours>', 'hours until the token ends', '24')
    .action(async (name: string, options: CreateOptions) => {
      await runCommand('principal create', options, async (session) => {
        const hours = Number(options.expiresIn);
        if (!(hours > 0 && hours <= 24 * 30))
          throw failure('USAGE', { publicMessage: '--expires-in takes hours, up to 720.' });
        const profile = await session.profile();
        const { token, statement } = invitation(name, options, profile, new Date(Date.now() + hours * HOUR));
        using _ = token;
        const reply = await (await session.keymesh()).call(createPrincipal, { statement });
        // EXPOSE: the token is what this command is for; the operator hands it over.
        const text = Buffer.from(token.expose()).toString('utf8');
        if (options.json) {
          printJson({ principal: reply.principal, bundleVersion: reply.bundleVersion, token: text });
          return;
        }
        note(
          `Invited ${name}. The token works once, within ${options.expiresIn} hours. On the machine of ${name}:\n  npx keymesh enrol   (it asks for the token; elsewhere add --nats-url)`,
        );
        print(text);
      });
    });
}

/** The token, and the statement about its public halves, signed by the operator's own key: the mesh only carries it. */
function invitation(
  principal: string,
  { kind, role }: CreateOptions,
  profile: Profile,
  expiresAt: Date,
): { token: Secret; statement: string } {
  const { token, connectSeed, signSeed } = makeEnrolmentToken({
    principal,
    meshPublicKey: profile.meshPublicKey,
  });
  try {
    const tokenKey = signingKeyOf(signSeed).publicKeyText;
    const issuedAt = new Date().toISOString();
    const statement = signStatement(
      {
        v: 1,
        type: 'enrolment.issued',
        meshId: profile.meshId,
        statementId: enrolmentIdOf(tokenKey),
        issuedAt,
        issuer: profile.principal,
        principal,
        kind,
        roles: [...new Set(role)],
        tokenNkey: nkeyOfSeed(connectSeed).getPublicKey(),
        tokenKey,
        expiresAt: expiresAt.toISOString(),
      },
      signingKeyOfProfile(profile),
    );
    return { token, statement };
  } finally {
    connectSeed.dispose();
    signSeed.dispose();
  }
}

function list(): Command {
  return makeCommand('list', 'The principals of the mesh.', 'keymesh principal list').action(
    async (options: CommonOptions) => {
      await runCommand('principal list', options, async (session) => {
        const { principals } = await (await session.keymesh()).call(listPrincipals, {});
        if (options.json) printJson(principals);
        else print(table(principals, ['name', 'kind', 'roles', 'status', 'lockedUntil', 'createdAt']));
      });
    },
  );
}

function disable(): Command {
  return makeCommand(
    'disable',
    'Take a principal’s access away now; its connections are cut.',
    'keymesh principal disable billing --reason "laptop lost"',
  )
    .argument('<name>')
    .option('--reason <text>', 'for the record', 'by an operator')
    .action(async (name: string, options: CommonOptions & { readonly reason: string }) => {
      await runCommand('principal disable', options, async (session) => {
        // Our own connection would be cut before the answer comes.
        if ((await session.profile()).principal === name)
          throw failure('USAGE', {
            publicMessage: `That is you. Have another operator do it, or name another operator’s profile with --profile.`,
          });
        const reply = await (
          await session.keymesh()
        ).call(disablePrincipal, { principal: name, reason: options.reason });
        if (options.json) printJson(reply);
        else print(`Disabled ${name}.`);
      });
    });
}

function unlock(): Command {
  return makeCommand(
    'unlock',
    'End a lock that the anomaly detector set.',
    'keymesh principal unlock billing',
  )
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await runCommand('principal unlock', options, async (session) => {
        const reply = await (await session.keymesh()).call(unlockPrincipal, { principal: name });
        if (options.json) printJson(reply);
        else print(`Unlocked ${name}.`);
      });
    });
}
