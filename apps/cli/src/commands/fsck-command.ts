import { failure } from '@keymesh/contracts';
import { Command } from 'commander';
import { z } from 'zod';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { runVaultTask } from '../launcher/vault-task.js';
import { print } from '../output.js';

/** `fsck vault`. */
export const fsckCommand = (): Command =>
  new Command('fsck').description('Look for damage, without changing anything.').addCommand(vault());

const problemLine = z.looseObject({
  rule: z.string(),
  problem: z.string(),
  credentialId: z.string().optional(),
  version: z.int().optional(),
  kekId: z.string().optional(),
  namespaceId: z.string().optional(),
  systemKey: z.string().optional(),
});
const summaryLine = z.looseObject({
  ok: z.boolean(),
  keks: z.int(),
  credentials: z.int(),
  versions: z.int(),
  problems: z.int(),
});

function vault(): Command {
  return makeCommand(
    'vault',
    'Open every key, row and value of the vault, and name by id what does not open.',
    'keymesh fsck vault --json',
  ).action(async (options: CommonOptions) => {
    await runCommand('fsck vault', options, async ({ home }) => {
      let summary: z.output<typeof summaryLine> | undefined;
      const { exitCode, lastLog } = await runVaultTask(home, 'fsck', (line) => {
        const content: unknown = JSON.parse(line);
        summary = summaryLine.safeParse(content).data ?? summary;
        print(options.json === true ? line : describe(content));
      });
      if (summary === undefined) throw failed(exitCode, lastLog);
      if (!summary.ok) {
        throw failure('CREDENTIAL_DAMAGED', {
          publicMessage: `${String(summary.problems)} problems. Keep a copy of the database, restore what is named from a backup, and start an incident.`,
        });
      }
    });
  });
}

function describe(content: unknown): string {
  const summary = summaryLine.safeParse(content).data;
  if (summary !== undefined) {
    const { ok, keks, credentials, versions } = summary;
    return `${ok ? '✓' : '✗'} ${String(credentials)} credentials, ${String(versions)} versions and ${String(keks)} keys checked`;
  }
  const { problem, credentialId, version, kekId, namespaceId, systemKey } = problemLine.parse(content);
  const where = Object.entries({
    credential: credentialId,
    version,
    key: kekId,
    namespace: namespaceId,
    'system key': systemKey,
  })
    .flatMap(([what, id]) => (id === undefined ? [] : [`${what} ${String(id)}`]))
    .join(', ');
  return `✗ ${where || 'vault'}: ${problem}`;
}

/** It did not get to its end: the database or the KMS is away, or this shell has other settings than the mesh was started with. */
function failed(exitCode: number, lastLog: string) {
  const logged = z
    .looseObject({ msg: z.string() })
    .safeParse(lastLog.startsWith('{') ? JSON.parse(lastLog) : undefined).data;
  return failure(exitCode === 2 ? 'CONFIG_INVALID' : 'UNAVAILABLE', {
    publicMessage: `fsck could not run to its end: ${logged?.msg ?? 'it said nothing'} It needs the database, and KEYMESH_KMS and its variables as \`npm start\` has them.`,
  });
}
