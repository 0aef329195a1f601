import { Command } from 'commander';
import { makeBackupCommand, stepOf, type BackupOptions } from '../backup-command.js';
import { runCommand } from '../command.js';
import { createBackup, listBackups, pruneBackups, verifyBackup } from '../launcher/backup-tasks.js';
import { rehearseRestore } from '../launcher/restore-beside.js';
import { note, print, printJson, table } from '../output.js';
import { restoreCommand } from './backup-restore-command.js';

/** `backup create|verify|list|prune|restore`: on the host of the mesh, by whoever owns its KEYMESH_HOME. */
export const backupCommand = (): Command =>
  new Command('backup')
    .description('Encrypted backups of the whole mesh, and the way back.')
    .addCommand(create())
    .addCommand(verify())
    .addCommand(list())
    .addCommand(prune())
    .addCommand(restoreCommand());

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
