import { failure } from '@keymesh/contracts';
import { z } from 'zod';
import type { LauncherConfig } from './config.js';
import { readFacts } from './facts.js';
import type { Home } from './home.js';
import { adminUrlOn } from './postgres.js';
import type { Admin } from './scratch-database.js';
import { backupEnvironment, restoreEnvironment } from './service-environment.js';
import { askTask, programOf } from './task.js';

export interface BackupStep {
  readonly config: LauncherConfig;
  readonly home: Home;
}

const created = z.looseObject({
  backupId: z.string(),
  name: z.string(),
  createdAt: z.string(),
  sizeBytes: z.number(),
  tables: z.number(),
  rows: z.number(),
  files: z.number(),
  removed: z.array(z.string()),
});
export type CreatedBackup = z.output<typeof created>;
const verified = z.looseObject({
  name: z.string(),
  backupId: z.string(),
  createdAt: z.string(),
  meshPublicKey: z.string(),
  epoch: z.number(),
  tables: z.number(),
  rows: z.number(),
  files: z.number(),
});
const listed = z.object({
  backups: z.array(
    z.object({ name: z.string(), backupId: z.string(), createdAt: z.string(), sizeBytes: z.number() }),
  ),
});
const pruned = z.object({ removed: z.array(z.string()) });

/** Makes a backup of the mesh, which runs or whose database does. @throws what the vault's task told */
export const createBackup = async (step: BackupStep): Promise<CreatedBackup> =>
  created.parse(
    await ask(
      step,
      'Making a backup',
      ['create'],
      backupEnvironment(step.config, step.home, adminOf(step).url),
    ),
  );

export const verifyBackup = async (step: BackupStep, which: string): Promise<z.output<typeof verified>> =>
  verified.parse(await ask(step, 'Verifying a backup', ['verify', which]));

export const listBackups = async (step: BackupStep): Promise<z.output<typeof listed>['backups']> =>
  listed.parse(await ask(step, 'Listing backups', ['list'])).backups;

export const pruneBackups = async (step: BackupStep): Promise<string[]> =>
  pruned.parse(await ask(step, 'Removing old backups', ['prune'])).removed;

function ask(
  { config, home }: BackupStep,
  what: string,
  args: readonly string[],
  env = restoreEnvironment(config, home),
): Promise<unknown> {
  requirePlace(config);
  return askTask(programOf(config, 'vault', 'backup'), env, what, args);
}

/** @throws CONFIG_INVALID when nobody said where backups are. */
export function requirePlace({ backup }: LauncherConfig): void {
  if (backup.to === undefined)
    throw failure('CONFIG_INVALID', {
      publicMessage: 'Say where backups are kept: KEYMESH_BACKUP_TO or --to, a folder or s3://bucket/prefix.',
    });
}

/** The admin of the database server that runs now. @throws MESH_NOT_RUNNING before the first start of an embedded one. */
export function adminOf({ config, home }: BackupStep): Admin {
  if (config.database !== undefined) {
    const { url, passwordFile } = config.database;
    return { url, ...(passwordFile === undefined ? {} : { passwordFile }) };
  }
  const port = readFacts(home)?.postgresPort;
  if (port === undefined) throw failure('MESH_NOT_RUNNING');
  return { url: adminUrlOn(port), passwordFile: home.secret('postgres', 'superuser.password') };
}
