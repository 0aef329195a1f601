import type { AuditRecord } from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import type { Clock } from '@keymesh/kernel';
import { approvalFacts, recordedDecision, type Access } from '@keymesh/service-kit';
import { v7 as uuidv7 } from 'uuid';

/** What the policy service records. */
export type RecordType =
  | 'principal.created'
  | 'principal.enrolled'
  | 'principal.listed'
  | 'principal.described'
  | 'principal.roles-set'
  | 'principal.attributes-set'
  | 'principal.keys-added'
  | 'principal.keys-removed'
  | 'principal.disabled'
  | 'principal.enabled'
  | 'principal.locked'
  | 'principal.unlocked'
  | 'policy.set'
  | 'policy.confirmed'
  | 'policy.listed'
  | 'policy.described'
  | 'policy.validated'
  | 'policy-set.listed'
  | 'policy-set.described'
  | 'decision.explained'
  | 'policy-shadow.set'
  | 'policy-shadow.described'
  | 'kill-switch.set'
  | 'kill-switch.lifted'
  | 'kill-switch.listed'
  | 'approval.requested'
  | 'approval.listed'
  | 'approval.approved'
  | 'approval.rejected'
  | 'approval.cancelled'
  | 'break-glass.opened'
  | 'break-glass.closed'
  | 'break-glass.reviewed'
  | 'break-glass.listed'
  | 'session.opened'
  | 'session.closed'
  | 'identity-rule.set'
  | 'identity-rule.listed'
  | 'credential-policy.set'
  | 'credential-policy.described'
  | 'attempts.locked-out'
  | 'connection.opened'
  | 'connection.refused'
  | 'subject.refused';

/** What is known of an event; the rest is filled in. */
export interface RecordFacts {
  readonly call?: Call;
  /** Who did it; default: who called. */
  readonly principal?: string;
  /** The principal it was done to. */
  readonly subject?: string;
  /** What else it was done to. */
  readonly resource?: NonNullable<AuditRecord['resource']>;
  readonly code?: string;
  /** Recorded whole, with who approved. */
  readonly decision?: Access;
  readonly facts?: NonNullable<AuditRecord['facts']>;
}

export type MakeRecord = (
  type: RecordType,
  outcome: AuditRecord['outcome'],
  facts: RecordFacts,
) => AuditRecord;

/** Makes audit records of this instance. Random ids. */
export const makeRecordMaker =
  ({ instance, clock }: { readonly instance: string; readonly clock: Clock }): MakeRecord =>
  (type, outcome, { call, principal = call?.principal, subject, resource, code, decision, facts }) => ({
    v: 1,
    id: uuidv7(),
    time: new Date(clock.now()).toISOString(),
    type,
    service: 'policy',
    instance,
    outcome,
    ...(code === undefined ? {} : { code }),
    ...(principal === undefined ? {} : { principal }),
    ...(call?.sessionId === undefined ? {} : { session: call.sessionId }),
    ...(call === undefined ? {} : { requestId: call.requestId }),
    ...(call?.traceparent === undefined ? {} : { traceparent: call.traceparent }),
    ...(resource === undefined ? {} : { resource }),
    ...(subject === undefined ? {} : { resource: { kind: 'principal', id: subject } }),
    ...(decision === undefined ? {} : { decision: recordedDecision(decision) }),
    ...factsWith(decision, facts),
  });

function factsWith(decision: Access | undefined, facts: RecordFacts['facts']): Pick<AuditRecord, 'facts'> {
  const given = decision === undefined ? {} : approvalFacts(decision);
  // What the operation says goes first: an approval has facts of these names itself.
  const all = { ...given, ...facts };
  return Object.keys(all).length === 0 ? {} : { facts: all };
}
