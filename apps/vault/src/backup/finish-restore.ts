import type { Clock } from '@keymesh/kernel';
import type { EntityManager, DataSource } from 'typeorm';
import type { RowSeal } from '../domain/row-mac.js';
import { applyLater, type AppliedLater } from './apply-later.js';
import { raiseFloors } from './bundle-floors.js';
import { addKill, addTaking, carryLock, carryPolicy, carryUnpublishedRecords } from './carry-over.js';
import type { LaterRecords } from './later-records.js';
import { recordBackup } from './record-backup.js';
import { beginRestoreEpoch } from './restore-epoch.js';

export interface FinishRestore {
  /** The restored database, which nobody serves yet, as the role that owns it. */
  readonly restored: DataSource;
  /** The database of the mesh as it was until now, where there is one. */
  readonly former: DataSource | undefined;
  readonly seal: RowSeal;
  readonly later: LaterRecords;
  /** Credentials of which nothing later can be known though others are. */
  readonly unknown: readonly string[];
  readonly restoreId: string;
  readonly backup: { readonly backupId: string; readonly createdAt: string };
  readonly clock: Clock;
}

export interface FinishedRestore extends AppliedLater {
  readonly epoch: number;
  /** Made after the backup, and gone. */
  readonly credentialsLost: number;
  /** With kill switches. */
  readonly takings: number;
}

/**
 * Makes a loaded backup fit to be served: a new restore epoch, and what was taken away since the backup taken away again, in one
 * transaction with the record of it. Nothing of it is served before.
 * @throws CREDENTIAL_DAMAGED, STORE_UNAVAILABLE; then nothing was changed.
 */
export async function finishRestore(finish: FinishRestore): Promise<FinishedRestore> {
  const { restored, former, seal, later, clock, backup, restoreId, unknown } = finish;
  return restored.transaction(async (manager) => {
    const facts = {
      restoreId,
      backupId: backup.backupId,
      backupCreatedAt: backup.createdAt,
      nowMs: clock.now(),
    };
    const epoch = await beginRestoreEpoch(manager, facts, later);
    const applied = await applyLater(manager, { seal, later, unknown: new Set(unknown) });
    if (former !== undefined) {
      await carryPolicy(former, manager);
      await carryLock(former, manager);
      await carryUnpublishedRecords(former, manager);
    }
    await applyTakings(manager, later);
    const finished = {
      ...applied,
      epoch,
      takings: later.takings.length + later.kills.length,
      credentialsLost: await countLost(manager, later),
    };
    await recordBackup(
      manager,
      {
        type: 'backup.restored',
        backupId: backup.backupId,
        facts: { ...finished, backupCreatedAt: backup.createdAt, laterRecords: later.source, restoreId },
      },
      clock,
    );
    return finished;
  });
}

/**
 * INVARIANT: what was taken away from a principal holds before anything is decided again. Floors are raised above the restored bundle,
 * which knows nothing of it: no service decides anything until the policy service has made one that does.
 */
async function applyTakings(manager: EntityManager, { takings, kills }: LaterRecords): Promise<void> {
  if (takings.length === 0 && kills.length === 0) return;
  for (const taking of takings) await addTaking(manager, taking);
  for (const { killId, by, ...kill } of kills)
    await addKill(manager, { ...kill, kill_id: killId, set_by: by });
  await raiseFloors(manager);
}

async function countLost(manager: EntityManager, { credentials }: LaterRecords): Promise<number> {
  const rows = await manager.query<{ count: string }[]>(
    'SELECT count(*) AS count FROM vault.credential WHERE credential_id = ANY($1::uuid[])',
    [[...credentials.keys()]],
  );
  return credentials.size - Number(rows[0]?.count ?? 0);
}
