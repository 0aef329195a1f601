import { DAY, SECOND } from '@keymesh/kernel';
import { transact } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import { announceRecord } from '../domain/announcements.js';
import type { RowSeal } from '../domain/row-mac.js';
import { systemRecord, type SystemRecorder } from '../domain/system-record.js';
import { lockOverdue, makeLeaseRows, pruneLeases } from '../store/leases.js';

/** Leases in one transaction. */
const BATCH = 500;
const LOOK_EVERY_MS = 15 * SECOND;
/** How long it is remembered that a lease was there; what happened to it the audit log keeps. */
const KEPT_MS = 30 * DAY;

export interface ExpireLeasesOptions {
  readonly dataSource: DataSource;
  readonly seal: Pick<RowSeal, 'messageMac'>;
  readonly recorder: SystemRecorder;
  /** There are records to publish. */
  readonly afterCommit: () => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Writes down which leases have expired, each with its record in the same transaction, and forgets old ones. That a lease has expired its own
 * time says; nothing waits for this. Beside other instances: what one has locked the others leave.
 * @returns how many expired.
 */
export async function expireLeases(options: Omit<ExpireLeasesOptions, 'onError'>): Promise<number> {
  const { dataSource, seal, recorder, afterCommit } = options;
  const nowMs = recorder.clock.now();
  const expired = await transact(dataSource, async (manager) => {
    const rows = makeLeaseRows(manager, seal);
    const overdue = await lockOverdue(manager, seal, nowMs, BATCH);
    for (const lease of overdue) {
      await rows.update({ ...lease, endedAtMs: lease.expiresAtMs, end: 'expired' });
      const { credentialId: id, version, leaseId, principal } = lease;
      const record = systemRecord(recorder, {
        type: 'lease.expired',
        resource: { kind: 'credential', id, version },
        facts: { leaseId, holder: principal },
      });
      await announceRecord(rows, record);
    }
    await pruneLeases(manager, nowMs - KEPT_MS);
    return overdue.length;
  });
  if (expired > 0) afterCommit();
  return expired;
}

/** Looks every fifteen seconds, and at once again while there is a full batch. @returns what ends it. */
export function startExpiringLeases(options: ExpireLeasesOptions): () => void {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const look = async (): Promise<void> => {
    const expired = await expireLeases(options).catch((error: unknown) => {
      options.onError(error);
      return 0;
    });
    if (!stopped) timer = setTimeout(() => void look(), expired === BATCH ? 0 : LOOK_EVERY_MS).unref();
  };
  timer = setTimeout(() => void look(), SECOND).unref();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
