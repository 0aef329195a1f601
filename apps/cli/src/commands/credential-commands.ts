import {
  CREDENTIAL_STATUSES,
  CREDENTIAL_TYPES,
  failure,
  ROTATION_ADAPTERS,
  SENSITIVITIES,
  type CredentialMetadata,
} from '@keymesh/contracts';
import type { ListFilter, WhichCredential } from '@keymesh/client';
import { Option, type Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { collected, pointInTime } from '../option-values.js';
import { facts, note, print, printJson, table } from '../output.js';
import { lifecycleCommands } from './lifecycle-commands.js';

/** What needs no value: list, describe, history and rotate, and what changes a credential. */
export const credentialCommands = (): Command[] => [
  list(),
  describe(),
  history(),
  rotate(),
  ...lifecycleCommands(),
];

interface ListOptions extends CommonOptions {
  readonly namespace?: string;
  readonly type?: CredentialMetadata['type'];
  readonly provider?: string;
  readonly tag?: readonly string[];
  readonly owner?: string;
  readonly sensitivity?: NonNullable<CredentialMetadata['sensitivity']>;
  readonly status?: CredentialMetadata['status'];
  readonly expiresBefore?: string;
  readonly expiresAfter?: string;
  readonly text?: string;
}

function list(): Command {
  return makeCommand(
    'list',
    'List the credentials that you may see.',
    'keymesh list --provider alpha_vantage --expires-before 30d',
  )
    .option('--namespace <name>', 'only of this namespace and those below it')
    .addOption(new Option('--type <type>', 'only of this type').choices([...CREDENTIAL_TYPES]))
    .option('--provider <name>', 'only of this provider')
    .option('--tag <tag>', 'only with this tag; repeat for all of several', collected)
    .option('--owner <principal>', 'only of this owner')
    .addOption(new Option('--sensitivity <level>', 'only of this sensitivity').choices([...SENSITIVITIES]))
    .addOption(
      new Option('--status <status>', 'only of this status; deleted ones are shown only with it').choices([
        ...CREDENTIAL_STATUSES,
      ]),
    )
    .option('--expires-before <time>', 'only what expires before, e.g. 30d or 2027-01-31')
    .option('--expires-after <time>', 'only what expires after')
    .option('--text <text>', 'only with this text in name, label or description')
    .action(async (options: ListOptions) => {
      await runCommand('list', options, async (session) => {
        const credentials = await (
          await session.keymesh()
        ).credentials.list(filterOf(options), {
          onStale: () => note('The database is away: what was stored or deleted lately may be missing here.'),
        });
        if (options.json) printJson(credentials);
        else if (credentials.length === 0)
          note('No credentials that you may see. Store one with `keymesh store NAME --type api_key`.');
        else print(table(credentials.map(shown), columnsOf(options)));
      });
    });
}

function filterOf(options: ListOptions): ListFilter {
  const { namespace, type, provider, tag, owner, sensitivity, status, text } = options;
  const { expiresBefore: before, expiresAfter: after } = options;
  const conditions = {
    ...{ namespace, type, provider, tags: tag, owner, sensitivity, status, text },
    expiresBefore: before === undefined ? undefined : pointInTime('--expires-before', before),
    expiresAfter: after === undefined ? undefined : pointInTime('--expires-after', after),
  };
  return Object.fromEntries(Object.entries(conditions).filter(([, value]) => value !== undefined));
}

const shown = (credential: CredentialMetadata) => ({
  ...credential,
  expires: credential.expiresAt?.slice(0, 10) ?? null,
  quality: credential.strengthScore,
  description: credential.label ?? credential.description,
});

const columnsOf = ({ status }: ListOptions): string[] => [
  ...['name', 'type', 'provider', 'version', 'status'],
  ...(status === 'deleted'
    ? ['recoverableUntil', 'credentialId']
    : ['expires', 'quality', 'versionCreatedAt']),
  'description',
];

interface WhichOptions extends CommonOptions {
  readonly id?: boolean;
}
const BY_ID = ['--id', 'the argument is the id of a credential, which also finds a deleted one'] as const;

/** @param id whether it was given as an id: a name may look like one. */
const which = (named: string, { id }: WhichOptions): WhichCredential =>
  id === true ? { credentialId: named } : named;

function describe(): Command {
  return makeCommand(
    'describe',
    'Everything about a credential but its value.',
    'keymesh describe billing/stripe',
  )
    .argument('<name>')
    .option(...BY_ID)
    .action(async (named: string, options: WhichOptions) => {
      await runCommand('describe', options, async (session) => {
        const credential = await (await session.keymesh()).credentials.describe(which(named, options));
        if (options.json) printJson(credential);
        else print(facts(credential));
      });
    });
}

function history(): Command {
  return makeCommand(
    'history',
    'The versions of a credential, oldest first, destroyed ones too.',
    'keymesh history billing/stripe',
  )
    .argument('<name>')
    .option(...BY_ID)
    .action(async (named: string, options: WhichOptions) => {
      await runCommand('history', options, async (session) => {
        const reply = await (await session.keymesh()).credentials.history(which(named, options));
        if (options.json) printJson(reply);
        else
          print(
            table(
              reply.versions.map((version) => ({ ...version, quality: version.strengthScore })),
              ['version', 'stage', 'createdAt', 'createdBy', 'quality', 'destroyedAt'],
            ),
          );
      });
    });
}

function rotate(): Command {
  return makeCommand(
    'rotate',
    `Rotate a credential now (adapters: ${ROTATION_ADAPTERS.join(', ')}).`,
    'keymesh rotate billing/stripe',
  )
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await runCommand('rotate', options, async (session) => {
        const rotation = await (await session.keymesh()).credentials.rotate(name);
        if (rotation.state === 'failed') {
          throw failure('ROTATION_FAILED', {
            publicMessage: `The rotation failed (${rotation.reason ?? 'no reason given'}); the old version still works.`,
          });
        }
        if (options.json) printJson(rotation);
        else if (rotation.state === 'done')
          print(`Rotated ${name}: version ${String(rotation.version)} is current.`);
        else
          print(
            `Rotation ${rotation.rotationId} of ${name} goes on in the background; next step: ${rotation.state}.`,
          );
      });
    });
}
