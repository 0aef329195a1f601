import { randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { failure } from '@keymesh/contracts';
import { z } from 'zod';
import { adminOf, requirePlace, type BackupStep } from './backup-tasks.js';
import { readJson, writeWhole } from './files.js';
import { readTrust } from './genesis.js';
import { makeHome, type Home } from './home.js';
import { ensureIdentities } from './identities.js';
import type { Keeper } from './keeper.js';
import { takeLock } from './lock.js';
import { DATABASE, databaseUrlOf, DEPLOY_ROLE } from './postgres.js';
import {
  dropScratch,
  lookAtDatabase,
  makeScratch,
  migrateDatabase,
  SCRATCH,
  swapDatabases,
  type Admin,
} from './scratch-database.js';
import { keepPostgres } from './servers.js';
import { migrationEnvironment, restoreEnvironment } from './service-environment.js';
import { askTask, option, programOf } from './task.js';

/** Where what happened after the backup is read from. */
export type LaterSource =
  | { readonly kind: 'database' }
  | { readonly kind: 'audit-log'; readonly log: string; readonly checkpoint: string; readonly key: string }
  | { readonly kind: 'none' };

export interface RestoreMesh extends BackupStep {
  readonly which: string;
  /** Takes the place of a mesh that is there, which is kept aside. */
  readonly replace: boolean;
  readonly later: LaterSource;
  readonly say: (text: string) => void;
}

const opened = z.object({
  name: z.string(),
  backupId: z.string(),
  createdAt: z.string(),
  meshPublicKey: z.string(),
  migrations: z.record(z.string(), z.array(z.string())),
  files: z.number(),
  rows: z.number(),
});
type OpenedBackup = z.output<typeof opened>;
const ledgerEnd = z.looseObject({ size: z.number() });
const finished = z.looseObject({ epoch: z.number(), credentialsLost: z.number() });

export interface RestoredMesh {
  readonly backupId: string;
  readonly restoreId: string;
  /** Name of the database that was there before; undefined when there was none. */
  readonly formerDatabase: string | undefined;
  /** What was applied; undefined when an interrupted restore only had to be tidied up. */
  readonly applied: z.output<typeof finished> | undefined;
}

const marker = z.object({ v: z.literal(1), restoreId: z.string(), backupId: z.string() });

/**
 * Restores a whole mesh while nothing of it runs. Everything is made ready in a database of its own, which then takes the place of the
 * mesh's in one transaction: whatever kills us, the mesh is what it was or what it shall be. The same command again finishes the work.
 * @throws BACKUP_TARGET_NOT_EMPTY, BACKUP_NOT_FOUND, BACKUP_INVALID, UNAVAILABLE when something of the mesh still runs
 */
export async function restoreMesh(restore: RestoreMesh): Promise<RestoredMesh> {
  const { config, home } = restore;
  requirePlace(config);
  if (restore.later.kind === 'database' && !restore.replace) throw nothingLater(home);
  makeHome(home);
  const unlock = takeLock(home.run('launcher.json'));
  let server: Keeper | undefined;
  try {
    const interrupted = readMarker(restore);
    if (interrupted === undefined && readTrust(home) !== undefined && !restore.replace) throw notEmpty();
    const backup = await openBackup(restore);
    const restoreId = randomUUID();
    writeWhole(home.restoring, `${JSON.stringify({ v: 1, restoreId, backupId: backup.backupId })}\n`);
    placeFiles(restore, backup);
    const started = await startDatabase(restore);
    server = started.keeper;
    const there = await lookAtDatabase(started.admin);
    const isDone = interrupted !== undefined && there.restoreId === interrupted.restoreId;
    const result = isDone
      ? { applied: undefined, formerDatabase: undefined, restoreId: interrupted.restoreId }
      : await replaceDatabase(restore, { backup, restoreId, admin: started.admin, hasMesh: there.hasMesh });
    await dropScratch(started.admin);
    for (const path of [home.marker, home.restoringFiles, home.restoring])
      rmSync(path, { recursive: true, force: true });
    return { backupId: backup.backupId, ...result };
  } finally {
    await server?.stop();
    unlock();
  }
}

interface Replacement {
  readonly backup: OpenedBackup;
  readonly restoreId: string;
  readonly admin: Admin;
  readonly hasMesh: boolean;
}

async function replaceDatabase(
  restore: RestoreMesh,
  { backup, restoreId, admin, hasMesh }: Replacement,
): Promise<Omit<RestoredMesh, 'backupId'>> {
  const { config, home, say, later } = restore;
  if (hasMesh && !restore.replace) throw notEmpty();
  const usesFormer = hasMesh && later.kind === 'database';
  if (!usesFormer && later.kind === 'database') throw nothingLater(home);
  await loadScratch({ config, home, admin }, backup, say);
  // What is read from it must be where this release's tables are.
  if (usesFormer) await migrateDatabase({ config, home, admin }, DATABASE);
  const applied = finished.parse(
    await askTask(
      programOf(config, 'vault', 'restore'),
      scratchEnvironment(restore, admin, usesFormer),
      'Applying what happened after the backup',
      ['finish', backup.name, option('restore-id', restoreId), ...laterArguments(later)],
    ),
  );
  if (later.kind === 'audit-log') await continueLedger(restore, admin, later);
  say(`restore epoch ${String(applied.epoch)} begins`);
  const formerDatabase = await swapDatabases(admin, restoreId);
  return { restoreId, formerDatabase, applied };
}

/** Nothing is ever signed below a checkpoint that was published: the ledger goes on from there. */
async function continueLedger(
  { config, home, say }: RestoreMesh,
  admin: Admin,
  later: Extract<LaterSource, { kind: 'audit-log' }>,
): Promise<void> {
  if (!existsSync(home.secret('audit', 'checkpoint.seed'))) {
    say(
      'the ledger is as the backup has it: its keys are kept elsewhere; run the audit service’s continue.js before it starts',
    );
    return;
  }
  const env = {
    ...migrationEnvironment(config, home, admin.url, SCRATCH),
    KEYMESH_CHECKPOINT_SEED_FILE: home.secret('audit', 'checkpoint.seed'),
    // The note's first line; its signature is by our own key or refused.
    KEYMESH_LOG_ORIGIN: readFileSync(later.checkpoint, 'utf8').split('\n')[0] ?? '',
  };
  const { size } = ledgerEnd.parse(
    await askTask(programOf(config, 'audit', 'continue'), env, 'Continuing the ledger', [
      later.log,
      later.checkpoint,
    ]),
  );
  say(`the audit log goes on after index ${String(size - 1)}`);
}

const laterArguments = (later: LaterSource): string[] => {
  if (later.kind === 'none') return ['--without-later-records'];
  if (later.kind === 'database') return [];
  return [
    option('audit-log', later.log),
    option('audit-checkpoint', later.checkpoint),
    option('audit-key', later.key),
  ];
};

/** Makes the scratch database as the backup says: its tables at its level, its rows, then the migrations since. */
export async function loadScratch(
  step: BackupStep & { readonly admin: Admin },
  backup: Pick<OpenedBackup, 'name' | 'migrations' | 'rows'>,
  say: (text: string) => void,
): Promise<void> {
  await makeScratch(step.home, step.admin);
  await migrateDatabase(step, SCRATCH, backup.migrations);
  await askTask(
    programOf(step.config, 'vault', 'restore'),
    scratchEnvironment(step, step.admin, false),
    'Loading the backup',
    ['load', backup.name],
  );
  say(`loaded ${String(backup.rows)} rows`);
  await migrateDatabase(step, SCRATCH);
}

/** Variables of the task `restore`: the scratch database, and the mesh's own beside it where it is read or written. */
export const scratchEnvironment = (
  { config, home }: BackupStep,
  admin: Admin,
  withMesh: boolean,
): Record<string, string> => ({
  ...restoreEnvironment(config, home),
  KEYMESH_DATABASE_URL: databaseUrlOf(admin.url, DEPLOY_ROLE, SCRATCH),
  KEYMESH_DATABASE_PASSWORD_FILE: home.secret('deploy', 'database.password'),
  ...(withMesh ? { KEYMESH_RESTORE_FORMER_DATABASE_URL: databaseUrlOf(admin.url, DEPLOY_ROLE) } : {}),
});

/** Checks the whole backup before anything is touched, and lays its files aside. */
export async function openBackup(
  { config, home, which, say }: BackupStep & Pick<RestoreMesh, 'which' | 'say'>,
  withFiles = true,
): Promise<OpenedBackup> {
  const trust = readTrust(home);
  const backup = opened.parse(
    await askTask(
      programOf(config, 'vault', 'restore'),
      restoreEnvironment(config, home),
      'Reading the backup',
      [
        'open',
        which,
        ...(withFiles ? [option('files', home.restoringFiles)] : []),
        ...(trust === undefined ? [] : [option('mesh', trust.meshPublicKey)]),
      ],
    ),
  );
  say(`${backup.name} is whole, of ${backup.createdAt}`);
  return backup;
}

/** Files that are there stay: with --replace they are the mesh's own and newer, after an interruption they came from the same backup. */
function placeFiles({ home, say }: RestoreMesh, { files }: OpenedBackup): void {
  if (files === 0 || !existsSync(home.restoringFiles)) return;
  const paths = readdirSync(home.restoringFiles, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(home.restoringFiles.length + 1))
    // What says that there is a mesh comes last.
    .sort((a, b) => Number(a === 'trust.json') - Number(b === 'trust.json'));
  let placed = 0;
  for (const path of paths) {
    const to = join(home.root, path);
    if (existsSync(to)) continue;
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    copyFileSync(join(home.restoringFiles, path), to);
    placed += 1;
  }
  say(`placed ${String(placed)} files`);
}

async function startDatabase(restore: RestoreMesh): Promise<{ admin: Admin; keeper: Keeper | undefined }> {
  const { config, home, say } = restore;
  ensureIdentities(home);
  if (config.database !== undefined) return { admin: adminOf(restore), keeper: undefined };
  const { keeper, adminUrl } = await keepPostgres({
    ...{ config: { ...config, autoPorts: true }, home, step: say, warn: say },
    previousPort: undefined,
    taken: [],
  });
  return { admin: { url: adminUrl, passwordFile: home.secret('postgres', 'superuser.password') }, keeper };
}

function readMarker({ home }: RestoreMesh): z.output<typeof marker> | undefined {
  const parsed = marker.safeParse(readJson(home.restoring));
  return parsed.success ? parsed.data : undefined;
}

const notEmpty = () => failure('BACKUP_TARGET_NOT_EMPTY');
const nothingLater = (home: Home) =>
  readTrust(home) !== undefined
    ? notEmpty()
    : failure('USAGE', {
        publicMessage:
          'There is no former database to read what happened after the backup from. Pass --audit-log with --audit-checkpoint and --audit-key, or --without-later-records, which skips version numbers.',
      });
