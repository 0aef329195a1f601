import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { Keymesh } from '@keymesh/client';
import {
  decodeBundle,
  disposeEntries,
  importBundle,
  importEntries,
  parseCsv,
  parseEnv,
  parseJson,
  sourceOf,
  unseal,
  type ImportProblem,
  type ImportReport,
} from '@keymesh/client/transfer';
import { failure, IMPORT_SOURCES, ON_CONFLICT, type ImportSource, type OnConflict } from '@keymesh/contracts';
import { Option, type Command } from 'commander';
import { readOpenWith } from '../bundle-keys.js';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { note, print, printJson } from '../output.js';
import { warnIfReadable } from '../private-file.js';

interface ImportCommandOptions extends CommonOptions {
  readonly format?: ImportSource;
  readonly namespace?: string;
  readonly type?: string;
  readonly onConflict: OnConflict;
  readonly atomic?: boolean;
  readonly dryRun?: boolean;
  readonly identity?: string;
  readonly passphraseFile?: string;
}

/** What an import did, and what of the file it could not take. */
interface Imported {
  readonly reports: readonly ImportReport[];
  readonly problems: readonly ImportProblem[];
}

const MAX_TEXT_BYTES = 16 * 2 ** 20;
const PARSERS = { env: parseEnv, json: parseJson, csv: parseCsv } as const;

/** `import`: credentials out of an export, a `.env`, a JSON or a CSV file. */
export function importCommand(): Command {
  return makeCommand(
    'import',
    'Store the credentials of a file: an export, .env, JSON or CSV.',
    'keymesh import .env --namespace billing --dry-run',
  )
    .argument('<file>')
    .addOption(
      new Option('--format <kind>', 'what the file is (default: by its name)').choices([...IMPORT_SOURCES]),
    )
    .option('--namespace <name>', 'put this namespace in front of every name')
    .option('--type <type>', 'of what does not say its type (default: api_key)')
    .addOption(
      new Option('--on-conflict <what>', 'with a name that is there already')
        .choices([...ON_CONFLICT])
        .default('fail'),
    )
    .option('--atomic', 'all or nothing (at most 250 credentials and 900 KiB)')
    .option('--dry-run', 'say what would happen, and store nothing')
    .option('--identity <file>', 'age secret keys that open the export, instead of a passphrase')
    .option('--passphrase-file <file>', 'read the passphrase of the export from this file')
    .action(async (file: string, options: ImportCommandOptions) => {
      await runCommand('import', options, async (session) => {
        const source = options.format ?? sourceOf(file);
        if (source === undefined)
          throw failure('USAGE', {
            publicMessage: `The name of the file does not tell what it is: give --format ${IMPORT_SOURCES.join('|')}.`,
          });
        await warnIfReadable(file);
        const keymesh = await session.keymesh();
        report(
          source === 'bundle'
            ? await importBundleFile(keymesh, file, options)
            : await importTextFile(keymesh, file, source, options),
          options,
        );
      });
    });
}

async function importTextFile(
  keymesh: Keymesh,
  file: string,
  source: keyof typeof PARSERS,
  { namespace, type, onConflict, atomic = false, dryRun = false }: ImportCommandOptions,
): Promise<Imported> {
  const bytes = await readText(file);
  const { entries, problems } = PARSERS[source](bytes, { namespace, type });
  bytes.fill(0);
  try {
    if (entries.length === 0 || (atomic && problems.length > 0)) return { reports: [], problems };
    const reports = await importEntries(keymesh, entries, { source, onConflict, atomic, dryRun });
    return { reports, problems };
  } finally {
    disposeEntries(entries);
  }
}

async function importBundleFile(
  keymesh: Keymesh,
  file: string,
  options: ImportCommandOptions,
): Promise<Imported> {
  const { namespace, onConflict, atomic = false, dryRun = false } = options;
  await readable(file);
  const openWith = await readOpenWith(options);
  const open = () => decodeBundle(unseal(createReadStream(file), openWith));
  try {
    // Once to its end before anything is stored: a file that was changed or cut off shows it only there.
    for await (const { values } of open()) for (const part of Object.values(values)) part.dispose();
    const reports: ImportReport[] = [];
    const done = importBundle(keymesh, open(), { namespace, onConflict, atomic, dryRun });
    for await (const one of done) reports.push(one);
    return { reports, problems: [] };
  } finally {
    if ('passphrase' in openWith) openWith.passphrase.dispose();
  }
}

async function readable(file: string): Promise<{ readonly size: number }> {
  return stat(file).catch((cause: unknown) => {
    throw failure('USAGE', {
      publicMessage: 'The file cannot be read. Check its path and permissions.',
      cause,
    });
  });
}

async function readText(file: string): Promise<Buffer> {
  const { size } = await readable(file);
  if (size > MAX_TEXT_BYTES)
    throw failure('USAGE', { publicMessage: 'The file is larger than 16 MiB. Part it into several.' });
  return readFile(file);
}

/** @throws IMPORT_INVALID when not all of the file was taken, after everything was told */
function report(
  { reports, problems }: Imported,
  { json, dryRun = false, atomic = false }: ImportCommandOptions,
): void {
  const of = (outcome: ImportReport['result']['outcome']) =>
    reports.filter(({ result }) => result.outcome === outcome).length;
  const failed = problems.length + of('failed');
  const taken = dryRun ? of('accepted') : of('stored');
  if (json)
    printJson({
      dryRun,
      atomic,
      taken,
      skipped: of('skipped'),
      failed,
      results: reports.map(flat),
      problems,
    });
  else {
    for (const { place, sentence } of problems) note(`✗ ${place} ${sentence}.`);
    for (const line of reports.flatMap(linesOf)) note(line);
    print(`${dryRun ? 'Would import' : 'Imported'} ${taken}, skipped ${of('skipped')}, failed ${failed}.`);
  }
  if (failed > 0)
    throw failure('IMPORT_INVALID', {
      publicMessage: `${failed} of ${failed + taken + of('skipped')} could not be imported; the lines say why.${atomic ? ' Nothing was stored.' : ''}`,
    });
}

const flat = ({ place, name, result }: ImportReport) => ({ place, name, ...result });

function linesOf({ place, name, result }: ImportReport): string[] {
  if (result.outcome === 'failed')
    return [
      `✗ ${place} (${name}): ${result.error.code}: ${result.error.message}`,
      ...(result.error.findings ?? []).map(({ rule, advice }) => `    ${rule}: ${advice}`),
    ];
  if (result.outcome === 'skipped')
    return [
      `- ${place} (${name}): ${result.reason === 'exists' ? 'is there already' : 'not stored, because another failed'}`,
    ];
  const verb = result.outcome === 'accepted' ? 'would be' : 'is';
  return [
    `+ ${place} (${name}): ${verb} ${result.created ? 'new' : 'a new version'}`,
    ...result.findings.map(({ rule, advice }) => `    ! ${rule}: ${advice}`),
  ];
}
