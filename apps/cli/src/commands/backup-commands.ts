import { failure } from '@keymesh/contracts';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import {
  createBackup,
  listBackups,
  pruneBackups,
  verifyBackup,
  type BackupStep,
} from '../launcher/backup-tasks.js';
import { launcherEnvironment, parseLauncherConfig } from '../launcher/config.js';
import { homeAt } from '../launcher/home.js';
import { rehearseRestore, restoreNamespace } from '../launcher/restore-beside.js';
import { restoreMesh, type LaterSource } from '../launcher/restore-mesh.js';
import { note, print, printJson, table } from '../output.js';

interface BackupOptions extends CommonOptions {
  readonly to?: string;
}

/** `backup create|verify|list|prune|restore`: on the host of the mesh, by whoever owns its KEYMESH_HOME. */
export const backupCommand = (): Command =>
  new Command('backup')
    .description('Encrypted backups of the whole mesh, and the way back.')
    .addCommand(create())
    .addCommand(verify())
    .addCommand(list())
    .addCommand(prune())
    .addCommand(restore());

const makeBackupCommand = (name: string, summary: string, example: string): Command =>
  makeCommand(name, summary, example).option(
    '--to <place>',
    'where backups are kept: a folder, or s3://bucket/prefix (default: KEYMESH_BACKUP_TO)',
  );

/** The launcher's settings, with what the options say of them. */
function stepOf(options: BackupOptions): BackupStep {
  const environment = {
    ...launcherEnvironment(),
    ...(options.home === undefined ? {} : { KEYMESH_HOME: options.home }),
    ...(options.to === undefined ? {} : { KEYMESH_BACKUP_TO: options.to }),
  };
  const config = parseLauncherConfig(environment, []);
  return { config, home: homeAt(config.home) };
}

function create(): Command {
  return makeBackupCommand(
    'create',
    'Make a backup now. Keep the master key (or the KMS, or the recovery shares) elsewhere: without it a backup opens for nobody.',
    'keymesh backup create --to /mnt/backups',
  ).action(async (options: BackupOptions) => {
    await runCommand('backup create', options, async () => {
      const made = await createBackup(stepOf(options));
      if (options.json) {
        printJson(made);
        return;
      }
      print(
        `${made.name}\n${String(made.rows)} rows of ${String(made.tables)} tables, ${String(made.files)} files, ${String(made.sizeBytes)} bytes`,
      );
      if (made.removed.length > 0) print(`removed ${String(made.removed.length)} whose time was over`);
      note('It holds neither the master key nor a passphrase: keep those elsewhere, or it opens for nobody.');
    });
  });
}

function verify(): Command {
  return makeBackupCommand(
    'verify',
    'Read a whole backup and check every chunk, count, hash and the signature.',
    'keymesh backup verify latest --deep',
  )
    .argument('[backup]', 'id, name, or latest', 'latest')
    .option('--deep', 'load it beside the mesh as well, and open every key and value in it')
    .action(async (which: string, options: BackupOptions & { readonly deep?: boolean }) => {
      await runCommand('backup verify', options, async () => {
        const step = stepOf(options);
        const found = await verifyBackup(step, which);
        if (options.deep === true) await rehearseRestore({ ...step, which: found.name, say: note });
        if (options.json) {
          printJson({ ...found, deep: options.deep === true });
          return;
        }
        print(
          `${found.name} is whole: ${String(found.rows)} rows of ${String(found.tables)} tables, ${String(found.files)} files`,
        );
        print(
          options.deep === true ? 'every value in it opens' : 'its values were not opened; --deep does that',
        );
      });
    });
}

function list(): Command {
  return makeBackupCommand('list', 'The backups there are, newest first.', 'keymesh backup list').action(
    async (options: BackupOptions) => {
      await runCommand('backup list', options, async () => {
        const backups = await listBackups(stepOf(options));
        if (options.json) {
          printJson({ backups });
          return;
        }
        print(table(backups, ['createdAt', 'backupId', 'sizeBytes']));
      });
    },
  );
}

function prune(): Command {
  return makeBackupCommand(
    'prune',
    'Remove the backups that KEYMESH_BACKUP_KEEP does not keep. The newest one always stays.',
    'KEYMESH_BACKUP_KEEP=last=7,daily=14,weekly=8 keymesh backup prune',
  ).action(async (options: BackupOptions) => {
    await runCommand('backup prune', options, async () => {
      const removed = await pruneBackups(stepOf(options));
      if (options.json) {
        printJson({ removed });
        return;
      }
      print(removed.length === 0 ? 'nothing to remove' : removed.map((name) => `removed ${name}`).join('\n'));
    });
  });
}

interface RestoreOptions extends BackupOptions {
  readonly replace?: boolean;
  readonly auditLog?: string;
  readonly auditCheckpoint?: string;
  readonly auditKey?: string;
  readonly withoutLaterRecords?: boolean;
  readonly namespace?: string;
  readonly into?: string;
}

function restore(): Command {
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
