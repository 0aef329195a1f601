import { join } from 'node:path';
import type { RetrievedCredential } from '@keymesh/client';
import { failure } from '@keymesh/contracts';
import { utf8 } from '@keymesh/kernel';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { envEntries, envFile, variableOf } from '../env-file.js';
import { note, print, printJson } from '../output.js';
import { replacePrivateFile } from '../private-file.js';

interface BatchRetrieveOptions extends CommonOptions {
  readonly outDir?: string;
  readonly env?: string;
}

/** `batch retrieve`: many values at once, into files. */
export const batchCommand = (): Command =>
  new Command('batch').description('Many credentials at once.').addCommand(retrieve());

/** A credential that was asked for, and the variable that it is to be. */
interface Asked {
  readonly variable: string;
  readonly name: string;
}

function retrieve(): Command {
  return makeCommand(
    'retrieve',
    'Retrieve many credentials into files of mode 0600: all of them, or none when one fails.',
    'keymesh batch retrieve STRIPE_KEY=billing/stripe billing/db --env .env',
  )
    .argument('<name...>', 'e.g. billing/stripe, or VARIABLE=billing/stripe for --env')
    .option('--out-dir <folder>', 'a folder for each credential with a file for each part of its value')
    .option('--env <file>', 'one file of lines VARIABLE=value, as dotenv reads them')
    .action(async (names: string[], options: BatchRetrieveOptions) => {
      await runCommand('batch retrieve', options, async (session) => {
        const { outDir, env } = options;
        if ((outDir === undefined) === (env === undefined))
          throw failure('USAGE', { publicMessage: 'Say where to: --out-dir FOLDER or --env FILE.' });
        const asked = names.map(askedBy);
        const keymesh = await session.keymesh();
        const results = await keymesh.credentials.batchRetrieve(asked.map(({ name }) => name));
        const credentials = results.flatMap((result) => ('credential' in result ? [result.credential] : []));
        try {
          const failed = results.flatMap((result) => ('error' in result ? [result] : []));
          for (const { name, error } of failed) note(`✗ ${name}: ${error.code}`);
          const [first] = failed;
          if (first !== undefined) throw first.error;
          for (const { name, stale } of credentials)
            if (stale) note(`! ${name}: the database is away; this value comes from memory and may be old.`);
          const files = await writeOut(asked, credentials, options);
          if (options.json) printJson({ credentials: credentials.map(factsOf), files });
          else print(`Wrote ${files.length === 1 ? (files[0] ?? '') : `${String(files.length)} files`}.`);
        } finally {
          for (const credential of credentials) credential.dispose();
        }
      });
    });
}

function askedBy(text: string): Asked {
  const [, variable, name] = /^([A-Za-z_][A-Za-z0-9_]*)=(.+)$/.exec(text) ?? [];
  return variable === undefined || name === undefined
    ? { variable: variableOf(text), name: text }
    : { variable, name };
}

const factsOf = ({ name, version, stale }: RetrievedCredential) => ({ name, version, stale });

async function writeOut(
  asked: readonly Asked[],
  credentials: readonly RetrievedCredential[],
  { outDir, env }: BatchRetrieveOptions,
): Promise<string[]> {
  if (env !== undefined) {
    const entries = credentials.flatMap((credential, at) =>
      envEntries(asked[at]?.variable ?? '', credential),
    );
    await replacePrivateFile(env, utf8(envFile(entries)));
    return [env];
  }
  const files: string[] = [];
  for (const { name, values } of credentials)
    for (const [part, secret] of Object.entries(values)) {
      const path = join(outDir ?? '.', ...name.split('/'), part);
      // EXPOSE: this is the command that a person typed to have the values in files.
      await replacePrivateFile(path, secret.expose());
      files.push(path);
    }
  return files;
}
