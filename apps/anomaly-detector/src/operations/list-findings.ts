import {
  failure,
  type AuditRecord,
  type listFindings,
  type PolicyRequest,
  type ReplyOf,
  type RequestOf,
} from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import { callContext, type Call } from '@keymesh/mesh';
import { policyPrincipal, type Decision } from '@keymesh/policy-engine';
import type { PolicyHolder } from '@keymesh/service-kit';
import { v7 as uuidv7 } from 'uuid';
import { toAnomalyFinding, type Finding } from '../domain/findings.js';

export interface ListFindingsDependencies {
  readonly policy: PolicyHolder;
  readonly clock: Clock;
  readonly instance: string;
  readonly findFindings: (query: { principal?: string | undefined; limit: number }) => Promise<Finding[]>;
  /** Resolves when the record is durable. @throws AUDIT_UNAVAILABLE */
  readonly record: (record: AuditRecord) => Promise<void>;
}

/** Findings, newest first, for who may read them. @throws DENIED, POLICY_UNAVAILABLE, STORE_UNAVAILABLE, AUDIT_UNAVAILABLE */
export function makeListFindings(dependencies: ListFindingsDependencies) {
  return async (query: RequestOf<typeof listFindings>, call: Call): Promise<ReplyOf<typeof listFindings>> => {
    const { engine, directory } = dependencies.policy.currentPolicy();
    const asker = directory.find(call.principal);
    if (asker === undefined) throw failure('DENIED');
    const request: PolicyRequest = {
      principal: policyPrincipal(asker),
      action: 'finding.read',
      resource: { kind: 'finding', id: 'all', attributes: {} },
      context: { ...callContext(call), service: 'anomaly-detector' },
    };
    const decision = engine.decide(request);
    const findings = decision.effect === 'permit' ? await dependencies.findFindings(query) : undefined;
    await dependencies.record(recordOf(call, request, decision, dependencies));
    if (findings === undefined) throw failure('DENIED');
    return { findings: findings.map(toAnomalyFinding) };
  };
}

/** `finding.listed`, permitted or not. */
function recordOf(
  call: Call,
  request: PolicyRequest,
  decision: Decision,
  { clock, instance }: ListFindingsDependencies,
): AuditRecord {
  const now = clock.now();
  return {
    v: 1,
    id: uuidv7({ msecs: now }),
    time: new Date(now).toISOString(),
    type: 'finding.listed',
    service: 'anomaly-detector',
    instance,
    ...(decision.effect === 'permit' ? { outcome: 'success' } : { outcome: 'denied', code: 'DENIED' }),
    principal: call.principal,
    ...(call.sessionId === undefined ? {} : { session: call.sessionId }),
    requestId: call.requestId,
    ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
    resource: { kind: 'finding' },
    decision: { ...decision, request },
  };
}
