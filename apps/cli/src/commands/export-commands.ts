import { encodeBundle, exportAll, seal } from '@keymesh/client/transfer';
import type { Command } from 'commander';
import { readSealFor } from '../bundle-keys.js';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { note, print, printJson } from '../output.js';
import { writePrivateStream } from '../private-file.js';

interface ExportOptions extends CommonOptions {
  readonly out: string;
  readonly namespace?: string;
  readonly recipient?: readonly string[];
  readonly passphraseFile?: string;
  readonly force?: boolean;
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** `export`: what the caller may take away, in one encrypted file. */
export function exportCommand(): Command {
  return makeCommand(
    'export',
    'Write the credentials that you may export, with their values, to an encrypted file (age).',
    'keymesh export --namespace billing --out billing.age',
  )
    .requiredOption('--out <file>', 'the file to write, mode 0600')
    .option('--namespace <name>', 'only of this namespace and those below it')
    .option(
      '--recipient <key>',
      'encrypt to this age public key (age1…), not to a passphrase; repeatable',
      collect,
    )
    .option('--passphrase-file <file>', 'read the passphrase from this file (- for standard input)')
    .option('--force', 'replace a file that is there')
    .action(async (options: ExportOptions) => {
      await runCommand('export', options, async (session) => {
        const sealFor = await readSealFor(options);
        try {
          const keymesh = await session.keymesh();
          const skipped: { name: string; code: string }[] = [];
          let count = 0;
          const counted = async function* () {
            const all = exportAll(keymesh, {
              namespace: options.namespace,
              onSkipped: (name, code) => skipped.push({ name, code }),
            });
            for await (const credential of all) {
              count += 1;
              yield credential;
            }
          };
          const bundle = seal(encodeBundle(counted(), new Date()), sealFor);
          await writePrivateStream(options.out, bundle, { replace: options.force ?? false });
          for (const { name, code } of skipped) note(`! ${name} was left out: ${code}`);
          if (options.json) printJson({ file: options.out, credentials: count, skipped });
          else print(`Exported ${count} credentials to ${options.out}.`);
        } finally {
          if ('passphrase' in sealFor) sealFor.passphrase.dispose();
        }
      });
    });
}
