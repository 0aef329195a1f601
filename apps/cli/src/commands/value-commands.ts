import { CREDENTIAL_TYPES, failure, ROTATION_ADAPTERS, type RotationAdapter } from '@keymesh/contracts';
import type { StoreRequest } from '@keymesh/client';
import { Option, type Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { note, print, printJson } from '../output.js';
import { readValue } from '../value-input.js';

/** store and retrieve: the two commands that hold a value. */
export const valueCommands = (): Command[] => [store(), retrieve()];

interface StoreOptions extends CommonOptions {
  readonly type: string;
  readonly provider?: string;
  readonly description?: string;
  readonly tag?: readonly string[];
  readonly username?: string;
  readonly valueFile?: string;
  readonly generate?: boolean;
  readonly rotation?: RotationAdapter;
  readonly rotationSetting?: readonly string[];
  readonly rotateEvery?: string;
  readonly newVersion?: boolean;
  readonly expectedVersion?: string;
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

function store(): Command {
  return makeCommand(
    'store',
    'Store a credential. The value comes from a hidden prompt, a file or standard input, never from an argument.',
    'keymesh store alpha-vantage --type api_key --provider alpha_vantage --description "Market data" --value-file key.txt',
  )
    .argument('<name>', 'e.g. billing/stripe')
    .option('--type <type>', `one of ${CREDENTIAL_TYPES.join(', ')}`, 'api_key')
    .option('--provider <name>', 'whose credential it is')
    .option('--description <text>', 'what it is for')
    .option('--tag <tag>', 'a label; repeat for more', collect)
    .option('--username <name>', 'the user name of a username_password')
    .option('--value-file <path>', 'read the value from this file (- for standard input)')
    .option('--generate', 'let the vault make a random value; it rotates by itself every 30 days')
    .addOption(new Option('--rotation <adapter>', 'how to rotate it').choices([...ROTATION_ADAPTERS]))
    .option(
      '--rotation-setting <key=value>',
      'a setting of the adapter, e.g. host=db.internal; repeat for more',
      collect,
    )
    .option('--rotate-every <seconds>', 'seconds between rotations (0: only on command; default: 30 days)')
    .option('--new-version', 'the credential exists: store this as its next version')
    .option('--expected-version <n>', 'like --new-version, but only if N is the current version')
    .action(async (name: string, options: StoreOptions) => {
      await runCommand('store', options, async (session) => {
        const request = storeRequest(name, options);
        using value = options.generate
          ? undefined
          : await readValue({
              file: options.valueFile,
              exact: options.type === 'generic',
              prompt: `Value of ${name} (hidden):`,
            });
        const keymesh = await session.keymesh();
        const reply = await keymesh.credentials.store(value === undefined ? request : { ...request, value });
        for (const finding of reply.findings) note(`! ${finding.rule}: ${finding.advice}`);
        if (options.json) printJson(reply);
        else print(`Stored ${name}, version ${reply.version}.`);
      });
    });
}

function storeRequest(name: string, options: StoreOptions): StoreRequest {
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
  if (options.username === undefined && options.type === 'username_password')
    throw failure('USAGE', { publicMessage: 'A username_password needs --username.' });
  return {
    name,
    type: options.type,
    ...(options.provider === undefined ? {} : { provider: options.provider }),
    ...(options.description === undefined ? {} : { description: options.description }),
    ...(options.tag === undefined ? {} : { tags: [...options.tag] }),
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.generate ? { generate: {} } : {}),
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

function whole(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw failure('USAGE', { publicMessage: `${option} takes a whole number.` });
  return Number(text);
}

interface RetrieveOptions extends CommonOptions {
  readonly credentialVersion?: string;
  readonly stage?: 'current' | 'previous';
  readonly part?: string;
}

function retrieve(): Command {
  return makeCommand(
    'retrieve',
    'Write the value of a credential to standard output: its bytes and nothing else.',
    'keymesh retrieve billing/stripe | my-program --key-from-stdin',
  )
    .argument('<name>')
    .option('--credential-version <n>', 'this version instead of the current one')
    .addOption(new Option('--stage <stage>', 'the version at this stage').choices(['current', 'previous']))
    .option('--part <name>', 'this part, e.g. username (default: the key or password)')
    .action(async (name: string, options: RetrieveOptions) => {
      await runCommand('retrieve', options, async (session) => {
        const { credentialVersion, stage, part } = options;
        using credential = await (
          await session.keymesh()
        ).credentials.retrieve(name, {
          ...(credentialVersion === undefined
            ? {}
            : { version: whole('--credential-version', credentialVersion) }),
          ...(stage === undefined ? {} : { stage }),
        });
        const secret = part === undefined ? credential.value : credential.values[part];
        if (secret === undefined)
          throw failure('USAGE', {
            publicMessage: `This credential has the parts ${Object.keys(credential.values).join(', ')}.`,
          });
        if (credential.stale) note('! The database is away: this value comes from memory and may be old.');
        // EXPOSE: this is the command that a person typed to see the value.
        const bytes = secret.expose();
        if (options.json)
          printJson({
            name,
            credentialId: credential.credentialId,
            type: credential.type,
            version: credential.version,
            stage: credential.stage,
            revision: credential.revision,
            stale: credential.stale,
            expiresAt: credential.expiresAt,
            valueBase64: Buffer.from(bytes).toString('base64'),
          });
        else
          await new Promise<void>((resolve, reject) =>
            process.stdout.write(bytes, (error) => (error ? reject(error) : resolve())),
          );
      });
    });
}
