import type { AuditRecord, listFindings, ReplyOf, RequestOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import {
  approvalFacts,
  recordedDecision,
  refusalOf,
  type Access,
  type AskPolicy,
} from '@keymesh/service-kit';
import { v7 as uuidv7 } from 'uuid';
import { toAnomalyFinding, type Finding } from '../domain/findings.js';

export interface ListFindingsDependencies {
  readonly askPolicy: AskPolicy;
  readonly clock: Clock;
  readonly instance: string;
  readonly findFindings: (query: { principal?: string | undefined; limit: number }) => Promise<Finding[]>;
  /** Resolves when the record is durable. @throws AUDIT_UNAVAILABLE */
  readonly record: (record: AuditRecord) => Promise<void>;
}

/** Findings, newest first, for who may read them. @throws DENIED, APPROVAL_REQUIRED, POLICY_UNAVAILABLE, STORE_UNAVAILABLE, AUDIT_UNAVAILABLE */
export function makeListFindings(dependencies: ListFindingsDependencies) {
  return async (query: RequestOf<typeof listFindings>, call: Call): Promise<ReplyOf<typeof listFindings>> => {
    const { askPolicy, findFindings, record } = dependencies;
    const access = askPolicy(call, 'finding.read', { kind: 'finding', id: 'all', attributes: {} });
    const findings = access.permitted ? await findFindings(query) : undefined;
    await record(recordOf(call, access, dependencies));
    if (findings === undefined) throw refusalOf(askPolicy, call, access);
    return { findings: findings.map(toAnomalyFinding) };
  };
}

/** `finding.listed`, permitted or not. */
function recordOf(call: Call, access: Access, { clock, instance }: ListFindingsDependencies): AuditRecord {
  const now = clock.now();
  return {
    v: 1,
    id: uuidv7({ msecs: now }),
    time: new Date(now).toISOString(),
    type: 'finding.listed',
    service: 'anomaly-detector',
    instance,
    ...(access.permitted ? { outcome: 'success' } : { outcome: 'denied', code: 'DENIED' }),
    principal: call.principal,
    ...(call.sessionId === undefined ? {} : { session: call.sessionId }),
    requestId: call.requestId,
    ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
    resource: { kind: 'finding' },
    decision: recordedDecision(access),
    ...(access.approvals.length === 0 ? {} : { facts: approvalFacts(access) }),
  };
}
