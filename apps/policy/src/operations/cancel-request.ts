import { failure, type cancelRequest, type ReplyOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { factsOf, findOpen } from '../domain/approvals.js';
import { requestKey, type OperationPorts } from '../domain/authorize.js';

/** Ends the caller's own request for approval: what was approved of it leaves the bundle. */
export const makeCancelRequest =
  (ports: OperationPorts & { readonly clock: Clock }): Handler<typeof cancelRequest> =>
  async ({ approvalId }, call) => {
    const { book, makeRecord, clock } = ports;
    return book.change<ReplyOf<typeof cancelRequest>>(requestKey(call), (state) => {
      const asked = findOpen(state.asked, approvalId, clock.now());
      if (asked.request.principal !== call.principal) throw failure('APPROVAL_NOT_FOUND');
      const { kind, id } = asked.request.resource;
      const record = makeRecord('approval.cancelled', 'success', {
        call,
        resource: { kind, id },
        facts: factsOf(asked),
      });
      return {
        ...(asked.approvals.length === 0 ? {} : { change: {} }),
        asked: [{ ...asked, ended: { how: 'cancelled', by: call.principal, reason: null } }],
        records: [{ record }],
        reply: (bundleVersion) => ({ approvalId, bundleVersion }),
      };
    });
  };
