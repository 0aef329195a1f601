import { failure, type Action, type ErrorCode, type PolicyRequest } from '@keymesh/contracts';
import { callContext, type Call } from '@keymesh/mesh';
import { policyPrincipal } from '@keymesh/policy-engine';
import { decisionRecord, type DecisionRecord, type MakeRecord, type RecordType } from './audit.js';
import type { PolicyBook } from './ports.js';
import type { Refusals } from './refusals.js';

/** What every operation here stands on. */
export interface OperationPorts {
  readonly book: PolicyBook;
  readonly makeRecord: MakeRecord;
  readonly refusals: Refusals;
}

export interface Authorization {
  readonly action: Action;
  readonly type: RecordType;
  /** The principal that it is about; absent: all of them. */
  readonly subject?: string;
  readonly attributes?: PolicyRequest['resource']['attributes'];
  /** What it is about where that is no principal; `*` as id: all of them. */
  readonly resource?: PolicyRequest['resource'];
}

/**
 * Decides whether the caller may; a no is recorded.
 * @returns the decision for the success record. @throws DENIED
 */
export async function authorize(
  { book, makeRecord, refusals }: OperationPorts,
  call: Call,
  { action, type, subject, attributes = {}, resource }: Authorization,
): Promise<DecisionRecord> {
  const { directory, engine } = book.current();
  const caller = directory.find(call.principal);
  const request: PolicyRequest = {
    principal:
      caller === undefined ? { name: call.principal, kind: 'service', roles: [] } : policyPrincipal(caller),
    action,
    resource: resource ?? { kind: 'principal', id: subject ?? '*', attributes },
    context: callContext(call),
  };
  const decision = engine.decide(request);
  const record = decisionRecord(decision, request);
  if (decision.effect === 'permit') return record;
  await refusals.note(`${call.principal} ${type}`, (summed) => ({
    record: makeRecord(type, 'denied', {
      call,
      code: 'DENIED' satisfies ErrorCode,
      decision: record,
      ...(subject === undefined ? {} : { subject }),
      ...(resource === undefined ? {} : { resource: { kind: resource.kind, id: resource.id } }),
      ...(summed === 0 ? {} : { facts: { summed } }),
    }),
  }));
  throw failure('DENIED');
}

/** Which request this is, for repeats. */
export const requestKey = (call: Call) => ({
  principal: call.principal,
  requestId: call.requestId,
});
