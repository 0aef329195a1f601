import { randomUUID } from 'node:crypto';
import { inStore, transact } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import { rotationEnded, type Asker, type RecordStamp } from '../domain/records.js';
import { isOpen, type Change, type Workflow } from '../domain/workflow.js';
import { insertRecords } from './audit-outbox.js';
import { askerOf, workflowOf, type WorkflowRow } from './workflow-row.js';

/** A workflow that this instance alone may work on until the lease ends. */
export interface LeasedWorkflow {
  readonly workflow: Workflow;
  readonly asker: Asker;
  /** New with every claim: writes of an instance whose lease has gone to another one do nothing. */
  readonly lease: string;
}

// The database's clock counts leases, so that instances need not agree on the time. A killed instance's lease runs out.
const CLAIM = `
  UPDATE workflow SET lease = $1, lease_until = now() + $2 * interval '1 millisecond'
  WHERE rotation_id = (
    SELECT rotation_id FROM workflow
    WHERE state NOT IN ('done', 'failed') AND due_at <= now() AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING *`;

/** Claims the workflow that has been due longest. @returns undefined when none is. @throws STORE_UNAVAILABLE */
export const claimDue = (dataSource: DataSource, leaseMs: number): Promise<LeasedWorkflow | undefined> =>
  inStore(async () => {
    const lease = randomUUID();
    const [rows] = await dataSource.query<[WorkflowRow[], number]>(CLAIM, [lease, leaseMs]);
    const [row] = rows;
    return row === undefined ? undefined : { workflow: workflowOf(row), asker: askerOf(row), lease };
  });

const TOUCH = `
  UPDATE workflow SET provider_touched = true, lease_until = now() + $3 * interval '1 millisecond', updated_at = $4
  WHERE rotation_id = $1 AND lease = $2 AND lease_until > now() RETURNING 1`;

/** Commits that the provider is about to be changed, and renews the lease. @returns false when the lease is lost. */
export const touchProvider = (
  dataSource: DataSource,
  { workflow, lease }: LeasedWorkflow,
  { leaseMs, now }: { leaseMs: number; now: number },
): Promise<boolean> =>
  inStore(async () => {
    const [rows] = await dataSource.query<[unknown[], number]>(TOUCH, [
      workflow.rotationId,
      lease,
      leaseMs,
      new Date(now),
    ]);
    return rows.length === 1;
  });

// `delay` > 0 gives the lease back: any instance may go on when it is due. The final states give it back too.
const SAVE = `
  UPDATE workflow SET state = $3, version = $4, attempts = $5, reason = $6, failed_step = $7, rollback_reason = $8,
    due_at = now() + $9 * interval '1 millisecond', updated_at = $10, provider_touched = provider_touched AND NOT $13,
    lease = CASE WHEN $11 THEN lease END,
    lease_until = CASE WHEN $11 THEN now() + $12 * interval '1 millisecond' END
  WHERE rotation_id = $1 AND lease = $2 RETURNING *`;

/**
 * Commits a transition, with its audit records when it is final. The lease is kept (and renewed) when the next step runs at once.
 * @returns the workflow as it is now, or undefined when the lease is lost: then nothing was written.
 * @throws STORE_UNAVAILABLE: whether it was committed is unknown; the step is simply repeated.
 */
export const saveChange = (
  dataSource: DataSource,
  { workflow, asker, lease }: LeasedWorkflow,
  change: Change,
  { leaseMs, stamp }: { leaseMs: number; stamp: RecordStamp },
): Promise<Workflow | undefined> =>
  transact(dataSource, async (manager) => {
    const goesOn = isOpen(change.state) && change.delayMs === 0;
    const [rows] = await manager.query<[WorkflowRow[], number]>(SAVE, [
      workflow.rotationId,
      lease,
      change.state,
      change.version,
      change.attempts,
      change.reason,
      change.failedStep,
      change.rollbackReason,
      Math.round(change.delayMs),
      new Date(stamp.now),
      goesOn,
      leaseMs,
      change.providerRestored,
    ]);
    const [row] = rows;
    if (row === undefined) return undefined;
    const saved = workflowOf(row);
    if (!isOpen(saved.state)) await insertRecords(manager, rotationEnded(stamp, asker, saved));
    return saved;
  });
