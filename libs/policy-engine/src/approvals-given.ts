import { MINUTE, SECOND } from '@keymesh/kernel';
import { MAX_APPROVAL_SECONDS, type Approval, type PolicyRequest } from '@keymesh/contracts';
import { approvableOf, requestDigestOf } from './approvable-request.js';
import type { Directory } from './directory.js';
import type { PolicyEngine } from './engine.js';
import { policyPrincipal } from './policy-principal.js';

/** How far an approver's clock may be ahead of a reader's. */
const SKEW_MS = 10 * MINUTE;

/** An approval that counts. */
export type GivenApproval = Pick<Approval, 'approvalId' | 'approver'>;

/**
 * The approvals of exactly this request that count now, one for each approver: signed with a channel key that it has, by somebody other
 * than the asker, who is active and whom the policy lets `approve` on the resource; begun, and not ended.
 * INVARIANT: all of it is checked here, by whoever decides, so that neither broker nor policy service can make one up.
 */
export function approvalsGiven(
  directory: Directory,
  engine: Pick<PolicyEngine, 'decide'>,
  asked: PolicyRequest,
  nowMs: number,
): readonly GivenApproval[] {
  // Most meshes have none at most times: nothing is hashed or compared then.
  const own = directory.approvals.filter(
    ({ approval: { request } }) =>
      request.principal === asked.principal.name && request.resource.id === asked.resource.id,
  );
  const request = own.length === 0 ? undefined : approvableOf(asked);
  if (request === undefined) return [];
  const digest = requestDigestOf(directory.meshId, request);
  const given = new Map<string, GivenApproval>();
  for (const { approval, signer } of own) {
    const { approver, approvalId } = approval;
    if (given.has(approver) || approver === request.principal || !isInTime(approval, nowMs)) continue;
    if (requestDigestOf(directory.meshId, approval.request) !== digest) continue;
    if (mayApprove(directory, engine, { approver, signer }, asked.resource))
      given.set(approver, { approvalId, approver });
  }
  return [...given.values()];
}

function isInTime({ issuedAt, expiresAt }: Approval, nowMs: number): boolean {
  const [from, until] = [Date.parse(issuedAt), Date.parse(expiresAt)];
  return from - SKEW_MS <= nowMs && nowMs < until && until - from <= MAX_APPROVAL_SECONDS * SECOND;
}

/** Decided for the approver as it is now; of the context, in which it approved some time ago, nothing is known. */
function mayApprove(
  directory: Directory,
  engine: Pick<PolicyEngine, 'decide'>,
  { approver, signer }: { readonly approver: string; readonly signer: string },
  resource: PolicyRequest['resource'],
): boolean {
  const entry = directory.find(approver);
  // INVARIANT: a key of its own. For session keys the policy service vouches, which must not be able to approve.
  if (entry?.status !== 'active' || !entry.channelKeys.includes(signer)) return false;
  const principal = policyPrincipal(entry);
  return engine.decide({ principal, action: 'approve', resource, context: {} }).effect === 'permit';
}

/** The request with the approvals of it that count now in its context, where there are any. */
export function countApprovals(
  directory: Directory,
  engine: Pick<PolicyEngine, 'decide'>,
  asked: PolicyRequest,
  nowMs: number,
): PolicyRequest {
  const approvals = approvalsGiven(directory, engine, asked, nowMs).length;
  return approvals === 0 ? asked : { ...asked, context: { ...asked.context, approvals } };
}
