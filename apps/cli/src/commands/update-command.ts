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

/** `update`. */
export function updateCommand(): Command {
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
