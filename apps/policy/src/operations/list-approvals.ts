import { failure, type ApprovalSummary, type listApprovals } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { readApproval } from '@keymesh/policy-engine';
import { mayApprove, type AskedApproval } from '../domain/approvals.js';
import type { OperationPorts } from '../domain/authorize.js';
import type { Record } from '../domain/ports.js';

/** The caller's own requests for approval, and those of others that it may approve. Recorded before it is told. */
export const makeListApprovals =
  (
    ports: OperationPorts & {
      readonly clock: Clock;
      readonly record: Record;
      /** In the order in which they were asked. @throws STORE_UNAVAILABLE */
      readonly listAsked: () => Promise<readonly AskedApproval[]>;
    },
  ): Handler<typeof listApprovals> =>
  async ({ approvalId }, call) => {
    const { book, makeRecord, record, clock, listAsked } = ports;
    const approvals = (await listAsked())
      .filter((asked) => approvalId === undefined || asked.approvalId === approvalId)
      .filter(
        (asked) => asked.request.principal === call.principal || mayApprove(book, call.principal, asked),
      )
      .map((asked) => summaryOf(asked, clock.now()));
    // What may not be seen looks like what is not there.
    if (approvalId !== undefined && approvals.length === 0) throw failure('APPROVAL_NOT_FOUND');
    const facts = { approvals: approvals.length };
    await record({ record: makeRecord('approval.listed', 'success', { call, facts }) });
    return { approvals };
  };

function summaryOf(asked: AskedApproval, nowMs: number): ApprovalSummary {
  const { approvalId, request, requestDigest, content, reason, askedAt, expiresAt, ended, approvals } = asked;
  const status = ended?.how ?? (nowMs < Date.parse(expiresAt) ? 'open' : 'expired');
  return {
    ...{ approvalId, request, requestDigest, content, reason, askedAt, expiresAt, status },
    endedBy: ended?.by ?? null,
    endedReason: ended?.reason ?? null,
    approvers: approvals.map((text) => readApproval(text).approval.approver),
  };
}
