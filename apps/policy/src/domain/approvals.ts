import {
  failure,
  type ApprovableRequest,
  type ErrorCode,
  type PolicyRequest,
  type ToldAttributes,
} from '@keymesh/contracts';
import { MINUTE, type Clock, type KeymeshError } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import { isContentOf, policyPrincipal, readApproval, type HeldApproval } from '@keymesh/policy-engine';
import { policyResource } from './authorize.js';
import type { AuditEntry, PolicyBook, PolicyState } from './ports.js';
import type { MakeRecord, RecordType } from './audit.js';
import type { Refusals } from './refusals.js';

/** A request for approval, with what was approved of it. */
export interface AskedApproval {
  readonly approvalId: string;
  /** Who asks is its principal. */
  readonly request: ApprovableRequest;
  /** Of the resource, as the asker says. */
  readonly attributes: ToldAttributes;
  readonly requestDigest: string;
  /** JSON that the request's `contentHash` is of; null: it has none. */
  readonly content: string | null;
  readonly reason: string;
  readonly askedAt: string;
  readonly expiresAt: string;
  readonly ended: {
    readonly how: 'rejected' | 'cancelled';
    readonly by: string;
    readonly reason: string | null;
  } | null;
  /** Signed texts, one for each approver. */
  readonly approvals: readonly string[];
}

/** Requests that one principal may have open: who needs more has a policy to change. */
export const MAX_OPEN_REQUESTS = 20;
/** Approvals in force in a mesh at once: the bundle carries them to everybody. */
export const MAX_APPROVALS_IN_FORCE = 200;
const SKEW_MS = 10 * MINUTE;

export const isOpen = ({ ended, expiresAt }: AskedApproval, nowMs: number): boolean =>
  ended === null && nowMs < Date.parse(expiresAt);

/** Texts that the bundle carries. */
export const approvalsInForce = (asked: readonly AskedApproval[], nowMs: number): readonly string[] =>
  asked.filter((one) => isOpen(one, nowMs)).flatMap(({ approvals }) => approvals);

/** @throws APPROVAL_NOT_FOUND unless it is there, open */
export function findOpen(asked: readonly AskedApproval[], approvalId: string, nowMs: number): AskedApproval {
  const found = asked.find((one) => one.approvalId === approvalId);
  if (found === undefined || !isOpen(found, nowMs)) throw failure('APPROVAL_NOT_FOUND');
  return found;
}

/** The resource as policies on `approve` see it here: of policies it is known, of all else only what the asker says. */
export const resourceOf = (
  { request: { resource }, attributes }: Pick<AskedApproval, 'request' | 'attributes'>,
  state: Pick<PolicyState, 'directory'>,
): PolicyRequest['resource'] =>
  resource.kind === 'policy'
    ? policyResource(state, resource.id)
    : {
        ...resource,
        attributes: Object.fromEntries(
          Object.entries(attributes).filter(([, told]) => told !== undefined),
        ) as PolicyRequest['resource']['attributes'],
      };

/** Whether the policy lets this principal approve it, as far as it is known here. */
export function mayApprove(book: Pick<PolicyBook, 'current'>, name: string, asked: AskedApproval): boolean {
  const { directory, engine } = book.current();
  const entry = directory.find(name);
  if (entry === undefined || name === asked.request.principal) return false;
  const principal = policyPrincipal(entry);
  const resource = resourceOf(asked, { directory });
  return engine.decide({ principal, action: 'approve', resource, context: {} }).effect === 'permit';
}

/**
 * Reads what an approver sends. Whether it counts is for every reader.
 * @throws STATEMENT_REJECTED unless it is by the caller, with a channel key of its own, and made now.
 */
export function readFreshApproval(
  text: string,
  book: Pick<PolicyBook, 'current'>,
  { principal }: Call,
  clock: Clock,
): HeldApproval {
  const held = readApproval(text);
  const { approval, signer } = held;
  const { directory } = book.current();
  if (approval.meshId !== directory.meshId) throw refused('it is of another mesh');
  if (approval.approver !== principal) throw refused('it is signed in the name of somebody else');
  // Not a session's: for those the policy service vouches, and no reader counts them.
  if (directory.find(principal)?.channelKeys.includes(signer) !== true)
    throw refused('its signer is no channel key of this principal');
  if (Math.abs(Date.parse(approval.issuedAt) - clock.now()) > SKEW_MS)
    throw refused('it was not made now; check the clock of this machine');
  return held;
}

export const refused = (because: string): KeymeshError =>
  failure('STATEMENT_REJECTED', { publicMessage: `The signed approval is refused: ${because}.` });

/** @throws BAD_REQUEST unless approvers are shown exactly what they sign. */
export function checkContent({ contentHash }: ApprovableRequest, content: string | undefined): void {
  if (contentHash === undefined && content === undefined) return;
  if (contentHash !== undefined && content !== undefined && isContentOf(content, contentHash)) return;
  throw failure('BAD_REQUEST', {
    publicMessage: 'contentHash is SHA-256 over content: give both, to the byte, or neither.',
  });
}

/** What a record of a request for approval tells: ids and names of principals, never why. */
export const factsOf = ({ approvalId, request, requestDigest, expiresAt }: AskedApproval) => ({
  approvalId,
  requestDigest,
  asker: request.principal,
  action: request.action,
  expiresAt,
});

/** A no that no policy said: recorded, in sums where there are many. */
export async function refuse(
  { makeRecord, refusals }: { readonly makeRecord: MakeRecord; readonly refusals: Refusals },
  call: Call,
  type: RecordType,
  publicMessage: string,
): Promise<KeymeshError> {
  await refusals.note(`${call.principal} ${type}`, (summed): AuditEntry => ({
    record: makeRecord(type, 'denied', {
      call,
      code: 'DENIED' satisfies ErrorCode,
      ...(summed === 0 ? {} : { facts: { summed } }),
    }),
  }));
  return failure('DENIED', { publicMessage });
}
