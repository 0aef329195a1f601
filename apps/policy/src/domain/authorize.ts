import {
  toPublicError,
  type Action,
  type ErrorCode,
  type PolicyRequest,
  type Statement,
} from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import { hashContent } from '@keymesh/policy-engine';
import {
  makePolicyPort,
  refusalOf,
  type Access,
  type AskPolicy,
  type PolicyPort,
} from '@keymesh/service-kit';
import type { MakeRecord, RecordType } from './audit.js';
import type { PolicyBook, PolicyState, Record } from './ports.js';
import type { Refusals } from './refusals.js';

/** What every operation here stands on. */
export interface OperationPorts {
  readonly book: PolicyBook;
  readonly makeRecord: MakeRecord;
  readonly refusals: Refusals;
  readonly askPolicy: AskPolicy;
}

export interface Authorization {
  readonly action: Action;
  readonly type: RecordType;
  /** The principal that it is about; absent: all of them. */
  readonly subject?: string;
  readonly attributes?: PolicyRequest['resource']['attributes'];
  /** What it is about where that is no principal; `*` as id: all of them. */
  readonly resource?: PolicyRequest['resource'];
  /** What is to be written, for what writes: an approval is of exactly this. Without free text: nobody says a reason twice alike. */
  readonly content?: object;
}

/** The policy of the book, for `AskPolicy`. Of whom it does not know it is asked too, so that the denial is recorded. */
export function bookPolicy({ current }: Pick<PolicyBook, 'current'>, clock: Clock): PolicyPort {
  const port = makePolicyPort({ currentPolicy: current }, clock);
  return { ...port, find: (name) => port.find(name) ?? { name, kind: 'service', roles: [] } };
}

/** What differs each time that the same is said. */
const OF_THE_SAYING: readonly string[] = ['v', 'meshId', 'statementId', 'issuedAt', 'issuer'];

/** What a statement says. */
export const contentOf = (said: Statement): object =>
  Object.fromEntries(Object.entries(said).filter(([name]) => !OF_THE_SAYING.includes(name)));

/**
 * Decides whether the caller may; a no is recorded.
 * @returns the decision for the success record. @throws DENIED, APPROVAL_REQUIRED where approvals would turn it
 */
export async function authorize(
  { askPolicy, makeRecord, refusals }: OperationPorts,
  call: Call,
  { action, type, subject, attributes = {}, resource, content }: Authorization,
): Promise<Access> {
  const hashed = content === undefined ? undefined : hashContent({ type, ...content });
  const asked = resource ?? { kind: 'principal' as const, id: subject ?? '*', attributes };
  const context = hashed === undefined ? {} : { contentHash: hashed.contentHash };
  const access = askPolicy(call, action, asked, context);
  if (access.permitted) return access;
  await refusals.note(`${call.principal} ${type}`, (summed) => ({
    record: makeRecord(type, 'denied', {
      call,
      code: 'DENIED' satisfies ErrorCode,
      decision: access,
      ...(subject === undefined ? {} : { subject }),
      ...(resource === undefined ? {} : { resource: { kind: resource.kind, id: resource.id } }),
      ...(summed === 0 ? {} : { facts: { summed } }),
    }),
  }));
  throw refusalOf(askPolicy, call, access, hashed?.content);
}

/**
 * Authorises and works: what fails after the decision leaves a record of it too, as a success does by its own work.
 * @throws DENIED, APPROVAL_REQUIRED, and whatever the work throws
 */
export async function authorized<Reply>(
  ports: OperationPorts & { readonly record: Record },
  call: Call,
  asked: Authorization,
  work: (decision: Access) => Promise<Reply>,
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
