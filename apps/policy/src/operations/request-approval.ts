import { failure, type ReplyOf, type requestApproval } from '@keymesh/contracts';
import { SECOND, type Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { requestDigestOf } from '@keymesh/policy-engine';
import { v7 as uuidv7 } from 'uuid';
import { checkContent, factsOf, isOpen, MAX_OPEN_REQUESTS, type AskedApproval } from '../domain/approvals.js';
import { requestKey, type OperationPorts } from '../domain/authorize.js';

/**
 * Keeps a request for approval of one request of the caller's. Anybody may ask: it gives nothing, and what it is about is decided when
 * somebody approves, and again when the request itself is made. Asked again while it is open, it is the same one.
 */
export const makeRequestApproval =
  (ports: OperationPorts & { readonly clock: Clock }): Handler<typeof requestApproval> =>
  async ({ attributes, content, reason, lastsSeconds, ...asked }, call) => {
    const { book, makeRecord, clock } = ports;
    const request = { ...asked, principal: call.principal };
    checkContent(request, content);
    const requestDigest = requestDigestOf(book.current().directory.meshId, request);
    const nowMs = clock.now();
    const fresh: AskedApproval = {
      approvalId: uuidv7({ msecs: nowMs }),
      request,
      attributes,
      requestDigest,
      content: content ?? null,
      reason,
      askedAt: new Date(nowMs).toISOString(),
      expiresAt: new Date(nowMs + lastsSeconds * SECOND).toISOString(),
      ended: null,
      approvals: [],
    };
    return book.change<ReplyOf<typeof requestApproval>>(requestKey(call), (state) => {
      const own = state.asked.filter((one) => one.request.principal === call.principal && isOpen(one, nowMs));
      const same = own.find((one) => one.requestDigest === requestDigest);
      const { approvalId, expiresAt } = same ?? fresh;
      const reply = () => ({ approvalId, requestDigest, expiresAt });
      if (same !== undefined) return { records: [], reply };
      if (own.length >= MAX_OPEN_REQUESTS)
        throw failure('RATE_LIMITED', {
          publicMessage: `You have ${String(MAX_OPEN_REQUESTS)} open requests for approval. Cancel some, or let them expire.`,
        });
      const { kind, id } = request.resource;
      const record = makeRecord('approval.requested', 'success', {
        call,
        resource: { kind, id },
        facts: factsOf(fresh),
      });
      return { asked: [fresh], records: [{ record, beside: { reason } }], reply };
    });
  };
