import { Command } from 'commander';
import { makeCommand, type CommonOptions } from './command.js';
import type { BackupStep } from './launcher/backup-tasks.js';
import { launcherEnvironment, parseLauncherConfig } from './launcher/config.js';
import { homeAt } from './launcher/home.js';

export interface BackupOptions extends CommonOptions {
  readonly to?: string;
}

/** A command with the common options and the one that says where backups are. */
export const makeBackupCommand = (name: string, summary: string, example: string): Command =>
  makeCommand(name, summary, example).option(
    '--to <place>',
    'where backups are kept: a folder, or s3://bucket/prefix (default: KEYMESH_BACKUP_TO)',
  );

/** The launcher's settings, with what the options say of them. */
export function stepOf(options: BackupOptions): BackupStep {
  const environment = {
    ...launcherEnvironment(),
    ...(options.home === undefined ? {} : { KEYMESH_HOME: options.home }),
    ...(options.to === undefined ? {} : { KEYMESH_BACKUP_TO: options.to }),
  };
  const config = parseLauncherConfig(environment, []);
  return { config, home: homeAt(config.home) };
}
