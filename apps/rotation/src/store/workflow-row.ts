import type { RotationAdapter, RotationState, RotationSummary } from '@keymesh/contracts';
import type { Asker, RecordedDecision } from '../domain/records.js';
import type { AdapterSettings, Workflow } from '../domain/workflow.js';

/** A row of `workflow`, as the driver gives it. */
export interface WorkflowRow {
  readonly rotation_id: string;
  readonly credential_id: string;
  readonly adapter: RotationAdapter;
  readonly settings: AdapterSettings;
  readonly from_version: number;
  readonly version: number | null;
  readonly state: RotationState;
  readonly provider_touched: boolean;
  readonly attempts: number;
  readonly reason: string | null;
  readonly failed_step: RotationState | null;
  readonly rollback_reason: string | null;
  readonly started_by: string;
  readonly session: string | null;
  readonly request_id: string | null;
  readonly traceparent: string | null;
  readonly decision: RecordedDecision | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export const workflowOf = (row: WorkflowRow): Workflow => ({
  rotationId: row.rotation_id,
  credentialId: row.credential_id,
  adapter: row.adapter,
  settings: row.settings,
  fromVersion: row.from_version,
  version: row.version,
  state: row.state,
  providerTouched: row.provider_touched,
  attempts: row.attempts,
  reason: row.reason,
  failedStep: row.failed_step,
  rollbackReason: row.rollback_reason,
});

export const askerOf = (row: WorkflowRow): Asker => ({
  principal: row.started_by,
  session: row.session,
  requestId: row.request_id,
  traceparent: row.traceparent,
  decision: row.decision,
});

/** What may be told of a rotation. A rollback that could not be completed is the graver reason. */
export const summaryOf = (row: WorkflowRow): RotationSummary => ({
  rotationId: row.rotation_id,
  credentialId: row.credential_id,
  adapter: row.adapter,
  state: row.state,
  version: row.version,
  reason: row.rollback_reason === null ? row.reason : `${row.reason ?? ''}, rollback: ${row.rollback_reason}`,
  startedBy: row.started_by,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
