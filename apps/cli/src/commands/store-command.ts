import {
  CREDENTIAL_TYPES,
  describeTemplate,
  failure,
  JWT_ALGORITHMS,
  listTypes,
  ROTATION_ADAPTERS,
  type JwtAlgorithm,
  type RotationAdapter,
} from '@keymesh/contracts';
import type { StoreRequest } from '@keymesh/client';
import { Option, type Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { note, print, printJson } from '../output.js';
import { readParts, type PartOptions } from '../part-input.js';
import { fillIn, withHints } from '../template-options.js';

interface StoreOptions extends CommonOptions, PartOptions {
  readonly type?: string;
  readonly template?: string;
  readonly provider?: string;
  readonly description?: string;
  readonly tag?: readonly string[];
  readonly algorithm?: JwtAlgorithm;
  readonly length?: string;
  readonly expires?: string;
  readonly rotation?: RotationAdapter;
  readonly rotationSetting?: readonly string[];
  readonly rotateEvery?: string;
  readonly newVersion?: boolean;
  readonly expectedVersion?: string;
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** Stores a value of any type: its parts come from where nobody can see them. */
export function storeCommand(): Command {
  return makeCommand(
    'store',
    'Store a credential. The value comes from a hidden prompt, a file or standard input, never from an argument.',
    'keymesh store alpha-vantage --type api_key --provider alpha_vantage --description "Market data" --value-file key.txt',
  )
    .argument('<name>', 'e.g. billing/stripe')
    .option('--type <type>', `one of ${CREDENTIAL_TYPES.join(', ')} (default: api_key)`)
    .option('--template <name>', 'begin with this template; see `keymesh template list`')
    .option('--provider <name>', 'whose credential it is')
    .option('--description <text>', 'what it is for')
    .option('--tag <tag>', 'a label; repeat for more', collect)
    .option('--value-file <path>', 'read the value from this file (- for standard input)')
    .option('--part <name=text>', 'a part that is no secret, e.g. client_id=abc; repeat for more', collect)
    .option('--part-file <name=path>', 'any part, read from a file, e.g. certificate=chain.pem', collect)
    .option('--username <name>', 'the same as --part username=NAME')
    .option('--generate', 'let the vault make what can be made of this type; it then rotates by itself')
    .option('--length <n>', 'with --generate: characters, 16 to 256 (default: 40)')
    .addOption(
      new Option('--algorithm <name>', 'with --generate: of a jwt_signing_key').choices([...JWT_ALGORITHMS]),
    )
    .option(
      '--expires <time>',
      'when it ends, e.g. 2027-01-31T12:00:00Z (read from the value where it can be)',
    )
    .addOption(new Option('--rotation <adapter>', 'how to rotate it').choices([...ROTATION_ADAPTERS]))
    .option(
      '--rotation-setting <key=value>',
      'a setting of the adapter, e.g. host=db.internal; repeat for more',
      collect,
    )
    .option('--rotate-every <seconds>', 'seconds between rotations (0: only on command; default: 30 days)')
    .option('--new-version', 'the credential exists: store this as its next version')
    .option('--expected-version <n>', 'like --new-version, but only if N is the current version')
    .action(async (name: string, given: StoreOptions) => {
      await runCommand('store', given, async (session) => {
        const keymesh = await session.keymesh();
        const template =
          given.template === undefined
            ? undefined
            : await keymesh.call(describeTemplate, { name: given.template });
        const options = fillIn(given, template);
        const request = storeRequest(name, options);
        const { types } = await keymesh.call(listTypes, {});
        using parts = await readParts(
          name,
          withHints(
            types.find(({ type }) => type === options.type),
            template,
          ),
          options,
        );
        const reply = await keymesh.credentials.store({ ...request, values: parts.values });
        for (const finding of reply.findings) note(`! ${finding.rule}: ${finding.advice}`);
        if (options.json) printJson(reply);
        else print(`Stored ${name}, version ${reply.version}${quality(reply.score ?? null)}.`);
      });
    });
}

function storeRequest(name: string, options: StoreOptions & { readonly type: string }): StoreRequest {
  const adapter = options.rotation ?? (options.generate ? 'generated' : undefined);
  const settings = Object.fromEntries((options.rotationSetting ?? []).map(setting));
  const intervalSeconds =
    options.rotateEvery === undefined ? undefined : whole('--rotate-every', options.rotateEvery);
  const expectedVersion =
    options.expectedVersion === undefined
      ? options.newVersion
        ? 'any'
        : undefined
      : whole('--expected-version', options.expectedVersion);
  return {
    name,
    type: options.type,
    ...(options.provider === undefined ? {} : { provider: options.provider }),
    ...(options.description === undefined ? {} : { description: options.description }),
    ...(options.tag === undefined ? {} : { tags: [...options.tag] }),
    ...(options.expires === undefined ? {} : { expiresAt: time('--expires', options.expires) }),
    ...(options.generate ? { generate: generateOptions(options) } : {}),
    ...(adapter === undefined
      ? {}
      : {
          rotation: {
            adapter,
            ...(intervalSeconds === undefined ? {} : { intervalSeconds }),
            ...(Object.keys(settings).length === 0 ? {} : { settings }),
          },
        }),
    ...(expectedVersion === undefined ? {} : { expectedVersion }),
  };
}

function setting(text: string): [string, string | number] {
  const at = text.indexOf('=');
  if (at < 1) throw failure('USAGE', { publicMessage: 'A --rotation-setting is key=value.' });
  const value = text.slice(at + 1);
  return [text.slice(0, at), /^\d{1,9}$/.test(value) ? Number(value) : value];
}

const quality = (score: number | null): string => (score === null ? '' : `, quality ${score} of 100`);

const generateOptions = ({ length, algorithm }: StoreOptions) => ({
  ...(length === undefined ? {} : { lengthChars: whole('--length', length) }),
  ...(algorithm === undefined ? {} : { algorithm }),
});

function time(option: string, text: string): string {
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw failure('USAGE', { publicMessage: `${option} takes a time, e.g. 2027-01-31T12:00:00Z.` });
  return new Date(ms).toISOString();
}

/** @throws USAGE unless the text is a whole number. */
export function whole(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw failure('USAGE', { publicMessage: `${option} takes a whole number.` });
  return Number(text);
}
