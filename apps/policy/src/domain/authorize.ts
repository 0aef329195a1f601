import { failure, toPublicError, type Action, type ErrorCode, type PolicyRequest } from '@keymesh/contracts';
import { callContext, type Call } from '@keymesh/mesh';
import { policyPrincipal } from '@keymesh/policy-engine';
import { decisionRecord, type DecisionRecord, type MakeRecord, type RecordType } from './audit.js';
import type { PolicyBook, PolicyState, Record } from './ports.js';
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

/**
 * Authorises and works: what fails after the decision leaves a record of it too, as a success does by its own work.
 * @throws DENIED, and whatever the work throws
 */
export async function authorized<Reply>(
  ports: OperationPorts & { readonly record: Record },
  call: Call,
  asked: Authorization,
  work: (decision: DecisionRecord) => Promise<Reply>,
): Promise<Reply> {
  const decision = await authorize(ports, call, asked);
  try {
    return await work(decision);
  } catch (error) {
    const { code } = toPublicError(error);
    const { subject, resource } = asked;
    const about = {
      ...(subject === undefined ? {} : { subject }),
      ...(resource === undefined ? {} : { resource: { kind: resource.kind, id: resource.id } }),
    };
    // The journal has just said that it cannot; asking again would not make a record.
    if (code !== 'AUDIT_UNAVAILABLE')
      await ports.record({
        record: ports.makeRecord(asked.type, 'failure', { call, code, decision, ...about }),
      });
    throw error;
  }
}

/** A policy as policies see it. @param twoPerson of one that there is not yet */
export const policyResource = (
  { directory }: Pick<PolicyState, 'directory'>,
  policyId: string,
  twoPerson = false,
): PolicyRequest['resource'] => {
  const known = directory.policies.find((policy) => policy.policyId === policyId);
  return { kind: 'policy', id: policyId, attributes: { twoPerson: known?.twoPerson ?? twoPerson } };
};

/** The credential policy as policies see it: one of the things that whoever writes policies writes. */
export const CREDENTIAL_POLICY = {
  kind: 'policy',
  id: 'credential-policy',
  attributes: { twoPerson: false },
} as const satisfies PolicyRequest['resource'];

/** Which request this is, for repeats. */
export const requestKey = (call: Call) => ({
  principal: call.principal,
  requestId: call.requestId,
});
