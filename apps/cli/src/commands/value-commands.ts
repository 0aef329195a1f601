import { failure } from '@keymesh/contracts';
import { Option, type Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { note, printJson } from '../output.js';
import { storeCommand, whole } from './store-command.js';

/** store and retrieve: the two commands that hold a value. */
export const valueCommands = (): Command[] => [storeCommand(), retrieve()];

interface RetrieveOptions extends CommonOptions {
  readonly credentialVersion?: string;
  readonly stage?: 'current' | 'previous';
  readonly part?: string;
  readonly purpose?: string;
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
    .option('--purpose <label>', 'what for: policies may ask for it, and it stands in the record')
    .option('--part <name>', 'this part, e.g. username (default: the key or password)')
    .action(async (name: string, options: RetrieveOptions) => {
      await runCommand('retrieve', options, async (session) => {
        const { credentialVersion, stage, part, purpose } = options;
        using credential = await (
          await session.keymesh()
        ).credentials.retrieve(name, {
          ...(credentialVersion === undefined
            ? {}
            : { version: whole('--credential-version', credentialVersion) }),
          ...(stage === undefined ? {} : { stage }),
          ...(purpose === undefined ? {} : { purpose }),
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
