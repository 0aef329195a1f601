import { failure } from '@keymesh/contracts';
import { isUniqueViolation, once, transact } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';
import { rotationStarted, type Asker, type RecordStamp } from '../domain/records.js';
import type { Workflow } from '../domain/workflow.js';
import { insertRecords } from './audit-outbox.js';

// INVARIANT: the partial unique index is what makes "one open rotation per credential" true among all instances.
const INSERT = `
  INSERT INTO workflow (rotation_id, credential_id, adapter, settings, from_version, state, started_by, session, request_id,
    traceparent, decision, created_at, updated_at)
  SELECT $1::uuid, $2::uuid, $3, $4::jsonb, $5::int, 'create', $6, $7, $8, $9, $10::jsonb, $11::timestamptz, $11::timestamptz
  WHERE NOT EXISTS (SELECT 1 FROM workflow WHERE credential_id = $2::uuid AND state = 'done' AND version > $5::int)
  RETURNING 1`;

// What the vault describes from memory may be a second old. A rotation that began at the version before the current one would go
// back to that one, so it does not begin.

/**
 * Makes a workflow in its first state, with its `rotation.started` record, in one transaction.
 * Idempotent by (principal, request id) of the asker: a repeat gets the id of the rotation that the first one made.
 * @throws ROTATION_IN_PROGRESS when the credential has an open rotation; STORE_UNAVAILABLE.
 */
export async function startWorkflow(
  dataSource: DataSource,
  workflow: Workflow,
  asker: Asker,
  stamp: RecordStamp,
): Promise<{ rotationId: string }> {
  const insert = async (manager: EntityManager): Promise<{ rotationId: string }> => {
    await insertWorkflow(manager, workflow, asker, stamp);
    await insertRecords(manager, [rotationStarted(stamp, asker, workflow)]);
    return { rotationId: workflow.rotationId };
  };
  return transact(dataSource, async (manager) => {
    if (asker.requestId === null) return insert(manager);
    return (await once(manager, asker.principal, asker.requestId, () => insert(manager))).reply;
  });
}

async function insertWorkflow(
  manager: EntityManager,
  workflow: Workflow,
  asker: Asker,
  stamp: RecordStamp,
): Promise<void> {
  try {
    const rows = await manager.query<unknown[]>(INSERT, [
      workflow.rotationId,
      workflow.credentialId,
      workflow.adapter,
      JSON.stringify(workflow.settings),
      workflow.fromVersion,
      asker.principal,
      asker.session,
      asker.requestId,
      asker.traceparent,
      asker.decision === null ? null : JSON.stringify(asker.decision),
      new Date(stamp.now),
    ]);
    if (rows.length === 0) throw failure('ROTATION_IN_PROGRESS');
  } catch (error) {
    if (isUniqueViolation(error, 'workflow_one_open')) throw failure('ROTATION_IN_PROGRESS');
    throw error;
  }
}
