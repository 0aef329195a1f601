import { failure } from '@keymesh/contracts';
import { z } from 'zod';
import { adminOf, requirePlace, type BackupStep } from './backup-tasks.js';
import { DEPLOY_ROLE, databaseUrlOf } from './postgres.js';
import { loadScratch, openBackup, scratchEnvironment } from './restore-mesh.js';
import { dropScratch, SCRATCH, type Admin } from './scratch-database.js';
import { askTask, option, programOf, runTask } from './task.js';

export interface RestoreBeside extends BackupStep {
  readonly which: string;
  readonly say: (text: string) => void;
}

const outcomes = z.record(z.string(), z.number());

/** Puts the credentials of a namespace back as a backup has them, while the mesh runs. @returns how many became what. */
export const restoreNamespace = (
  restore: RestoreBeside & { readonly namespace: string; readonly into: string | undefined },
): Promise<Record<string, number>> =>
  withLoaded(restore, async (admin, name) =>
    outcomes.parse(
      await askTask(
        programOf(restore.config, 'vault', 'restore'),
        scratchEnvironment(restore, admin, true),
        'Restoring the namespace',
        [
          'namespace',
          name,
          restore.namespace,
          ...(restore.into === undefined ? [] : [option('into', restore.into)]),
        ],
      ),
    ),
  );

/** Loads a backup beside the mesh and opens every wrapped key and value in it. @throws BACKUP_INVALID naming what does not open */
export async function rehearseRestore(restore: RestoreBeside): Promise<void> {
  await withLoaded(restore, async (admin) => {
    const env = {
      ...scratchEnvironment(restore, admin, false),
      KEYMESH_DATABASE_URL: databaseUrlOf(admin.url, DEPLOY_ROLE, SCRATCH),
    };
    await runTask(programOf(restore.config, 'vault', 'fsck'), env, 'Opening every value').catch(
      (cause: unknown) => {
        throw failure('BACKUP_INVALID', {
          publicMessage:
            'The backup is whole, but not every value in it opens: the mesh was damaged when it was made. Run fsck on the mesh.',
          cause,
        });
      },
    );
  });
}

async function withLoaded<T>(
  restore: RestoreBeside,
  work: (admin: Admin, name: string) => Promise<T>,
): Promise<T> {
  requirePlace(restore.config);
  const admin = adminOf(restore);
  const backup = await openBackup(restore, false);
  try {
    await loadScratch({ ...restore, admin }, backup, restore.say);
    return await work(admin, backup.name);
  } finally {
    await dropScratch(admin);
  }
}
