import { failure } from '@keymesh/contracts';
import { Command } from 'commander';
import { makeBackupCommand, stepOf, type BackupOptions } from '../backup-command.js';
import { runCommand } from '../command.js';
import { restoreNamespace } from '../launcher/restore-beside.js';
import { restoreMesh, type LaterSource } from '../launcher/restore-mesh.js';
import { note, print, printJson } from '../output.js';

interface RestoreOptions extends BackupOptions {
  readonly replace?: boolean;
  readonly auditLog?: string;
  readonly auditCheckpoint?: string;
  readonly auditKey?: string;
  readonly withoutLaterRecords?: boolean;
  readonly namespace?: string;
  readonly into?: string;
}

/** `backup restore`: a whole mesh that is stopped, or a namespace into one that runs. */
export function restoreCommand(): Command {
  return makeBackupCommand(
    'restore',
    'Restore a whole mesh that is stopped, or (with --namespace) the credentials of a namespace into a mesh that runs.',
    'keymesh backup restore latest --without-later-records',
  )
    .argument('[backup]', 'id, name, or latest', 'latest')
    .option(
      '--replace',
      'take the place of the mesh that is there; what happened after the backup is read from it',
    )
    .option('--audit-log <file>', 'read what happened after the backup from `keymesh audit export`')
    .option('--audit-checkpoint <file>', 'the newest checkpoint that you kept, which proves the log')
    .option('--audit-key <file>', 'the key that verifies it')
    .option('--without-later-records', 'nothing is known of the time after the backup: skip version numbers')
    .option(
      '--namespace <namespace>',
      'only its credentials: each becomes a new version, or a new credential',
    )
    .option('--into <namespace>', 'with --namespace: put them there')
    .action(async (which: string, options: RestoreOptions) => {
      await runCommand('backup restore', options, async () => {
        if (options.namespace === undefined) await restoreAll(which, options);
        else await restoreSome(which, options, options.namespace);
      });
    });
}

async function restoreAll(which: string, options: RestoreOptions): Promise<void> {
  const restored = await restoreMesh({
    ...stepOf(options),
    ...{ which, replace: options.replace === true, later: laterOf(options), say: note },
  });
  if (options.json) {
    printJson(restored);
    return;
  }
  print(`restored ${restored.backupId}. Start the mesh with \`npm start\`.`);
  if (restored.applied !== undefined && restored.applied.credentialsLost > 0)
    print(
      `${String(restored.applied.credentialsLost)} credentials were made after the backup and are not in it`,
    );
  if (restored.formerDatabase !== undefined)
    print(`the former database is kept as ${restored.formerDatabase}; drop it once you are sure`);
}

function laterOf({ auditLog, auditCheckpoint, auditKey, withoutLaterRecords }: RestoreOptions): LaterSource {
  if (auditLog !== undefined) {
    if (auditCheckpoint === undefined || auditKey === undefined)
      throw failure('USAGE', {
        publicMessage: '--audit-log needs --audit-checkpoint and --audit-key, which prove it.',
      });
    return { kind: 'audit-log', log: auditLog, checkpoint: auditCheckpoint, key: auditKey };
  }
  return withoutLaterRecords === true ? { kind: 'none' } : { kind: 'database' };
}

async function restoreSome(which: string, options: RestoreOptions, namespace: string): Promise<void> {
  const counts = await restoreNamespace({
    ...stepOf(options),
    which,
    namespace,
    into: options.into,
    say: note,
  });
  if (options.json) {
    printJson(counts);
    return;
  }
  const told = Object.entries(counts).filter(([, count]) => count > 0);
  print(told.length === 0 ? 'the backup has no credentials in this namespace' : '');
  for (const [outcome, count] of told) print(`${outcome.padEnd(22)} ${String(count)}`);
}
