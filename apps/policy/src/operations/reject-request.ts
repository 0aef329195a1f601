import type { rejectRequest, ReplyOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { factsOf, findOpen, resourceOf, type AskedApproval } from '../domain/approvals.js';
import { authorized, requestKey, type OperationPorts } from '../domain/authorize.js';
import type { Record } from '../domain/ports.js';

/** Ends a request for approval: what was approved of it leaves the bundle. Whoever may approve it may reject it. */
export const makeRejectRequest =
  (
    ports: OperationPorts & {
      readonly clock: Clock;
      readonly record: Record;
      readonly listAsked: () => Promise<readonly AskedApproval[]>;
    },
  ): Handler<typeof rejectRequest> =>
  async ({ approvalId, reason }, call) => {
    const { book, makeRecord, clock, listAsked } = ports;
    const resource = resourceOf(findOpen(await listAsked(), approvalId, clock.now()), book.current());
    const right = { action: 'approve', type: 'approval.rejected', resource } as const;
    return authorized(ports, call, right, (decision) =>
      book.change<ReplyOf<typeof rejectRequest>>(requestKey(call), (state) => {
        const asked = findOpen(state.asked, approvalId, clock.now());
        const { kind, id } = resource;
        const record = makeRecord('approval.rejected', 'success', {
          call,
          resource: { kind, id },
          decision,
          facts: factsOf(asked),
        });
        return {
          ...(asked.approvals.length === 0 ? {} : { change: {} }),
          asked: [{ ...asked, ended: { how: 'rejected', by: call.principal, reason } }],
          records: [{ record, beside: { reason } }],
          reply: (bundleVersion) => ({ approvalId, bundleVersion }),
        };
      }),
    );
  };
