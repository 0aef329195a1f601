import type { KeymeshError } from '@keymesh/kernel';
import { failure, MAX_APPROVALS, type ApprovableRequest, type PolicyRequest } from '@keymesh/contracts';
import { approvableOf, requestDigestOf } from './approvable-request.js';
import type { Directory } from './directory.js';
import type { PolicyEngine } from './engine.js';

/** Of a denied request: how many approvals its policies want in all, how many count already, and the digest that they are of. */
export interface ApprovalsToTurn {
  readonly needed: number;
  readonly given: number;
  readonly requestDigest: string;
  readonly request: ApprovableRequest;
}

/**
 * What would turn the denial of this request; undefined where no approvals would. For who may describe the resource only: it tells of
 * policies on it.
 * @param asked as it was decided, with the approvals that count already.
 */
export function approvalsToTurn(
  { meshId }: Pick<Directory, 'meshId'>,
  engine: Pick<PolicyEngine, 'decide'>,
  asked: PolicyRequest,
): ApprovalsToTurn | undefined {
  const request = approvableOf(asked);
  const needed = approvalsNeeded(engine, asked);
  if (request === undefined || needed === undefined) return undefined;
  const { approvals: given } = asked.context;
  const requestDigest = requestDigestOf(meshId, request);
  return { needed, given: typeof given === 'number' ? given : 0, requestDigest, request };
}

/** What the asker of a request is told that approvals would turn. @param content what its `contentHash` is of */
export const approvalRequired = (approvals: ApprovalsToTurn & { readonly content?: string }): KeymeshError =>
  failure('APPROVAL_REQUIRED', {
    publicMessage: `The policy allows this with ${String(approvals.needed)} approval${approvals.needed === 1 ? '' : 's'} of it; ${String(approvals.given)} count now. Ask for them with \`keymesh approval request\`, then ask again.`,
    details: { approvals },
  });

/**
 * How many approvals, in all, would turn a denial of this request; found by asking the engine, never guessed.
 * @param asked as it was decided, with the approvals that count already. @returns undefined when up to {@link MAX_APPROVALS} turn it not.
 */
export function approvalsNeeded(
  engine: Pick<PolicyEngine, 'decide'>,
  asked: PolicyRequest,
): number | undefined {
  if (approvableOf(asked) === undefined) return undefined;
  const { approvals } = asked.context;
  for (let count = (typeof approvals === 'number' ? approvals : 0) + 1; count <= MAX_APPROVALS; count += 1) {
    const context = { ...asked.context, approvals: count };
    if (engine.decide({ ...asked, context }).effect === 'permit') return count;
  }
  return undefined;
}
