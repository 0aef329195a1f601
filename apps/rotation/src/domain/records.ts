import type { AuditRecord, PolicyRequest } from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import type { Decision } from '@keymesh/policy-engine';
import type { Access } from '@keymesh/service-kit';
import { v7 as uuidv7 } from 'uuid';
import type { Workflow } from './workflow.js';

/** A decision with the request it answered, as records and workflows keep it. */
export type RecordedDecision = Decision & { readonly request: PolicyRequest };

/** Who asked for a rotation, and how. The scheduler asks as `_rotation`, without session and decision. */
export interface Asker {
  readonly principal: string;
  readonly session: string | null;
  readonly requestId: string | null;
  readonly traceparent: string | null;
  readonly decision: RecordedDecision | null;
}

/** Whoever calls, with what was decided of it. */
export const askerOf = (call: Call, access?: Access): Asker => ({
  principal: call.principal,
  session: call.sessionId ?? null,
  requestId: call.requestId,
  traceparent: call.traceparent ?? null,
  decision: access === undefined ? null : { ...access.decision, request: access.request },
});

/** What every record of this process says of itself. */
export interface RecordStamp {
  readonly instance: string;
  /** Wall clock, milliseconds. */
  readonly now: number;
}

type Facts = NonNullable<AuditRecord['facts']>;

function recordOf(
  stamp: RecordStamp,
  asker: Asker,
  fields: Pick<AuditRecord, 'type' | 'outcome' | 'code' | 'resource' | 'facts'>,
): AuditRecord {
  return {
    v: 1,
    id: uuidv7({ msecs: stamp.now }),
    time: new Date(stamp.now).toISOString(),
    service: 'rotation',
    instance: stamp.instance,
    principal: asker.principal,
    ...(asker.session === null ? {} : { session: asker.session }),
    ...(asker.requestId === null ? {} : { requestId: asker.requestId }),
    ...(asker.traceparent === null ? {} : { traceparent: asker.traceparent }),
    ...(asker.decision === null ? {} : { decision: asker.decision }),
    ...fields,
  };
}

/** `rotation.started`: written in the transaction that makes the workflow. */
export const rotationStarted = (stamp: RecordStamp, asker: Asker, workflow: Workflow): AuditRecord =>
  recordOf(stamp, asker, {
    type: 'rotation.started',
    outcome: 'success',
    resource: resourceOf(workflow),
    facts: factsOf(workflow),
  });

/** The two records of a final state: `rotation.finished` or `rotation.failed`, and `credential.rotated` with its outcome. */
export function rotationEnded(stamp: RecordStamp, asker: Asker, workflow: Workflow): AuditRecord[] {
  const done = workflow.state === 'done';
  const outcome = done
    ? { outcome: 'success' as const }
    : { outcome: 'failure' as const, code: 'ROTATION_FAILED' };
  const fields = { ...outcome, resource: resourceOf(workflow), facts: factsOf(workflow) };
  return [
    recordOf(stamp, asker, { type: done ? 'rotation.finished' : 'rotation.failed', ...fields }),
    recordOf(stamp, asker, { type: 'credential.rotated', ...fields }),
  ];
}

/** A request to rotate that made no workflow: denied, missing, or not rotatable. */
export const rotationRefused = (
  stamp: RecordStamp,
  asker: Asker,
  refusal: { outcome: 'denied' | 'failure'; code: string; credentialId?: string },
): AuditRecord =>
  recordOf(stamp, asker, {
    type: 'credential.rotated',
    outcome: refusal.outcome,
    code: refusal.code,
    resource: {
      kind: 'credential',
      ...(refusal.credentialId === undefined ? {} : { id: refusal.credentialId }),
    },
  });

/** `rotation.listed`, permitted or not. */
export const rotationListed = (stamp: RecordStamp, asker: Asker, permitted: boolean): AuditRecord =>
  recordOf(stamp, asker, {
    type: 'rotation.listed',
    ...(permitted ? { outcome: 'success' } : { outcome: 'denied', code: 'DENIED' }),
    resource: { kind: 'rotation' },
  });

const resourceOf = (workflow: Workflow): NonNullable<AuditRecord['resource']> => ({
  kind: 'credential',
  id: workflow.credentialId,
  version: workflow.version ?? workflow.fromVersion,
});

function factsOf(workflow: Workflow): Facts {
  const { rotationId, adapter, fromVersion, reason, failedStep, rollbackReason } = workflow;
  return {
    rotationId,
    adapter,
    fromVersion,
    ...(reason === null ? {} : { reason }),
    ...(failedStep === null ? {} : { failedStep }),
    ...(rollbackReason === null ? {} : { rollbackReason }),
  };
}
