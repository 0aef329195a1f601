import {
  ROTATION_ADAPTERS,
  SENSITIVITIES,
  type CredentialMetadata,
  type RotationAdapter,
} from '@keymesh/contracts';
import type { CredentialChanges } from '@keymesh/client';
import { Option, type Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { collected, duration, pointInTime, wholeNumber } from '../option-values.js';
import { print, printJson } from '../output.js';

/** update, activate, deactivate, delete, restore, destroy-version. */
export const lifecycleCommands = (): Command[] => [
  update(),
  setStatus('activate', 'Hand a deactivated credential out again.', 'It is handed out again.'),
  setStatus(
    'deactivate',
    'Hand a credential to nobody until it is activated; ends when no vault reveals it any more.',
    'Nobody gets it until it is activated.',
  ),
  remove(),
  restore(),
  destroyVersion(),
];

const CLEARABLE = ['label', 'description', 'provider', 'sensitivity', 'rotation', 'expires'] as const;

interface UpdateOptions extends CommonOptions {
  readonly label?: string;
  readonly description?: string;
  readonly provider?: string;
  readonly owner?: string;
  readonly sensitivity?: NonNullable<CredentialMetadata['sensitivity']>;
  readonly expires?: string;
  readonly addTag?: readonly string[];
  readonly removeTag?: readonly string[];
  readonly setTags?: string;
  readonly rotation?: RotationAdapter;
  readonly rotateEvery?: string;
  readonly clear?: (typeof CLEARABLE)[number][];
  readonly expectedRevision?: string;
}

function update(): Command {
  return makeCommand(
    'update',
    'Change what is known of a credential, never its value.',
    'keymesh update billing/stripe --label "Stripe, live" --add-tag prod --expires 90d',
  )
    .argument('<name>')
    .option('--label <text>', 'a short name for people')
    .option('--description <text>', 'what it is for')
    .option('--provider <name>', 'whose credential it is')
    .option('--owner <principal>', 'who answers for it')
    .addOption(new Option('--sensitivity <level>', 'how much it matters').choices([...SENSITIVITIES]))
    .option('--expires <time>', 'when it ends, e.g. 2027-01-31 or 90d')
    .option('--add-tag <tag>', 'add a tag; repeat for more', collected)
    .option('--remove-tag <tag>', 'remove a tag; repeat for more', collected)
    .option('--set-tags <tags>', 'these tags instead of all others, with commas between')
    .addOption(new Option('--rotation <adapter>', 'how to rotate it').choices([...ROTATION_ADAPTERS]))
    .option(
      '--rotate-every <time>',
      'with --rotation: time between rotations, e.g. 30d (0d: only on command)',
    )
    .addOption(new Option('--clear <what...>', 'what to leave empty').choices(CLEARABLE))
    .option('--expected-revision <n>', 'only if this is its revision now (see describe)')
    .action(async (name: string, options: UpdateOptions) => {
      await runCommand('update', options, async (session) => {
        const updated = await (await session.keymesh()).credentials.update(name, changesOf(options));
        if (options.json) printJson(updated);
        else print(`Updated ${name}: revision ${String(updated.revision)}.`);
      });
    });
}

function changesOf(options: UpdateOptions): CredentialChanges {
  const { label, description, provider, owner, sensitivity, expires, expectedRevision } = options;
  const cleared = new Set<string>(options.clear);
  const tags = {
    ...(options.setTags === undefined ? {} : { set: options.setTags.split(',').filter((tag) => tag !== '') }),
    ...(options.addTag === undefined ? {} : { add: [...options.addTag] }),
    ...(options.removeTag === undefined ? {} : { remove: [...options.removeTag] }),
  };
  const wanted = {
    ...{ label, description, provider, owner, sensitivity },
    rotation: rotationOf(options),
    expiresAt: expires === undefined ? undefined : pointInTime('--expires', expires),
    tags: Object.keys(tags).length === 0 ? undefined : tags,
    expectedRevision:
      expectedRevision === undefined ? undefined : wholeNumber('--expected-revision', expectedRevision),
  };
  const isCleared = (field: string): boolean => cleared.has(field === 'expiresAt' ? 'expires' : field);
  return Object.fromEntries(
    Object.entries(wanted)
      .map(([field, value]) => [field, isCleared(field) ? null : value])
      .filter(([, value]) => value !== undefined),
  ) as CredentialChanges;
}

function rotationOf({ rotation: adapter, rotateEvery }: UpdateOptions): CredentialChanges['rotation'] {
  if (adapter === undefined) return undefined;
  return rotateEvery === undefined
    ? { adapter }
    : { adapter, intervalSeconds: duration('--rotate-every', rotateEvery) / 1_000 };
}

function setStatus(verb: 'activate' | 'deactivate', summary: string, done: string): Command {
  return makeCommand(verb, summary, `keymesh ${verb} billing/stripe`)
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await runCommand(verb, options, async (session) => {
        const reply = await (await session.keymesh()).credentials[verb](name);
        if (options.json) printJson(reply);
        else print(`${name} is ${reply.status}. ${done}`);
      });
    });
}

interface DeleteOptions extends CommonOptions {
  readonly recoveryDays?: string;
}

function remove(): Command {
  return makeCommand(
    'delete',
    'Delete a credential; nobody can retrieve it afterwards. It can be restored until its recovery window is over.',
    'keymesh delete billing/stripe',
  )
    .argument('<name>')
    .option(
      '--recovery-days <n>',
      'how long it can be restored (default: as the vault is configured; 0: destroy now)',
    )
    .action(async (name: string, options: DeleteOptions) => {
      await runCommand('delete', options, async (session) => {
        const { recoveryDays } = options;
        const reply = await (
          await session.keymesh()
        ).credentials.delete(
          name,
          recoveryDays === undefined ? {} : { recoveryDays: wholeNumber('--recovery-days', recoveryDays) },
        );
        if (options.json) printJson(reply);
        else if (reply.recoverableUntil === null) print(`Deleted ${name}. All its versions are destroyed.`);
        else
          print(
            `Deleted ${name}. Until ${reply.recoverableUntil} \`keymesh restore ${name}\` brings it back.`,
          );
      });
    });
}

interface RestoreOptions extends CommonOptions {
  readonly as?: string;
  readonly id?: boolean;
}

function restore(): Command {
  return makeCommand(
    'restore',
    'Take a deletion back: the same id and versions. By name, that of the one deleted last.',
    'keymesh restore billing/stripe',
  )
    .argument('<name>', 'its name, or with --id its id (keymesh list --status deleted)')
    .option('--as <name>', 'another name of the same namespace, where its own is taken')
    .option('--id', 'the argument is the id of a credential')
    .action(async (named: string, options: RestoreOptions) => {
      await runCommand('restore', options, async (session) => {
        const { as, id } = options;
        const reply = await (
          await session.keymesh()
        ).credentials.restore(id === true ? { credentialId: named } : named, as === undefined ? {} : { as });
        if (options.json) printJson(reply);
        else print(`Restored ${reply.name}: version ${String(reply.version)} is current.`);
      });
    });
}

function destroyVersion(): Command {
  return makeCommand(
    'destroy-version',
    'Destroy a previous or revoked version for ever. Nobody can bring it back.',
    'keymesh destroy-version billing/stripe 3',
  )
    .argument('<name>')
    .argument('<version>', 'its number (keymesh history NAME)')
    .action(async (name: string, version: string, options: CommonOptions) => {
      await runCommand('destroy-version', options, async (session) => {
        const number = wholeNumber('The version', version);
        const reply = await (await session.keymesh()).credentials.destroyVersion(name, number);
        if (options.json) printJson(reply);
        else print(`Destroyed version ${version} of ${name}.`);
      });
    });
}
