import { inStore } from '@keymesh/postgres';
import { tellingInForce } from '../domain/in-force.js';
import { makeApproveRequest } from '../operations/approve-request.js';
import { makeCancelRequest } from '../operations/cancel-request.js';
import { makeListApprovals } from '../operations/list-approvals.js';
import { makeRejectRequest } from '../operations/reject-request.js';
import { makeRequestApproval } from '../operations/request-approval.js';
import { listAsked } from '../store/approval-rows.js';
import { ASKED_KEPT_MS } from '../store/book.js';
import type { ApprovalOperations } from '../transport/operations.js';
import type { PolicyPorts } from './ports.js';

/** What others have to agree to first. */
export function approvalOperations(ports: PolicyPorts): ApprovalOperations {
  const { clock, kit } = ports;
  const asked = {
    ...ports,
    listAsked: () => inStore(() => listAsked(kit.dataSource.manager, clock.now() - ASKED_KEPT_MS)),
  };
  const told = tellingInForce(ports);
  return {
    requestApproval: makeRequestApproval(ports),
    listApprovals: makeListApprovals(asked),
    approveRequest: told(makeApproveRequest(asked)),
    rejectRequest: told(makeRejectRequest(asked)),
    cancelRequest: told(makeCancelRequest(ports)),
  };
}
