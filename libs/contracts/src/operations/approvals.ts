import { z } from 'zod';
import { inForce } from '../bundle-confirmation.js';
import { approvableRequest, MAX_APPROVABLE_CONTENT, MAX_APPROVAL_SECONDS } from '../approval-statements.js';
import { principalName } from '../identity.js';
import { defineRpc } from '../rpc.js';
import { statementText } from './policy.js';

/** What the asker says of the resource, so that policies on `approve` can be asked. The vault asks again with what it knows. */
const toldAttributes = z.strictObject({
  namespace: z.string().max(256).optional(),
  type: z.string().max(64).optional(),
  provider: z.string().max(128).optional(),
  owner: principalName.optional(),
  tags: z.array(z.string().max(128)).max(64).optional(),
  sensitivity: z.string().max(64).optional(),
});
export type ToldAttributes = z.output<typeof toldAttributes>;

const reason = z.string().min(1).max(256);

export const approvalSummary = z.strictObject({
  approvalId: z.uuid(),
  /** Who asks is its principal. */ request: approvableRequest,
  /** SHA-256, hex: what APPROVAL_REQUIRED names. */ requestDigest: z.string(),
  /** JSON that its `contentHash` is of, for whoever approves; null: the request has none. */
  content: z.string().nullable().default(null),
  reason: z.string(),
  askedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  status: z.enum(['open', 'rejected', 'cancelled', 'expired']),
  /** Who rejected or cancelled it, and why. */
  endedBy: principalName.nullable(),
  endedReason: z.string().nullable(),
  /** Who has approved it so far. */ approvers: z.array(principalName),
});
export type ApprovalSummary = z.output<typeof approvalSummary>;

/** Asks others to approve one request of the caller's. It needs no right: it gives nothing. */
export const requestApproval = defineRpc({
  name: 'requestApproval',
  service: 'policy',
  noun: 'approval',
  verb: 'request',
  mutation: true,
  request: approvableRequest.omit({ principal: true }).extend({
    attributes: toldAttributes.default({}),
    /** JSON that `contentHash` is of, so that approvers see what they sign. */
    content: z.string().max(MAX_APPROVABLE_CONTENT).optional(),
    /** For those who approve. */ reason,
    lastsSeconds: z.int().min(60).max(MAX_APPROVAL_SECONDS).default(3_600),
  }),
  reply: z.strictObject({
    approvalId: z.uuid(),
    requestDigest: z.string(),
    expiresAt: z.iso.datetime(),
  }),
});

/** The caller's own requests of the last days, and those of others that it may approve. */
export const listApprovals = defineRpc({
  name: 'listApprovals',
  service: 'policy',
  noun: 'approval',
  verb: 'list',
  request: z.strictObject({ approvalId: z.uuid().optional() }),
  reply: z.strictObject({ approvals: z.array(approvalSummary) }),
});

/** Publishes the caller's signed approval: every service checks its signature and its signer for itself. */
export const approveRequest = defineRpc({
  name: 'approveRequest',
  service: 'policy',
  noun: 'approval',
  verb: 'approve',
  mutation: true,
  request: z.strictObject({ approval: statementText }),
  reply: z.strictObject({
    approvalId: z.uuid(),
    /** So many by now. */ approvals: z.int(),
    bundleVersion: z.int(),
    inForce: inForce.optional(),
  }),
});

const ended = z.strictObject({
  approvalId: z.uuid(),
  bundleVersion: z.int(),
  inForce: inForce.optional(),
});

/** Ends a request, with what was approved of it. By whoever may approve it. */
export const rejectRequest = defineRpc({
  name: 'rejectRequest',
  service: 'policy',
  noun: 'approval',
  verb: 'reject',
  mutation: true,
  request: z.strictObject({ approvalId: z.uuid(), reason }),
  reply: ended,
});

/** Ends the caller's own request, with what was approved of it. */
export const cancelRequest = defineRpc({
  name: 'cancelRequest',
  service: 'policy',
  noun: 'approval',
  verb: 'cancel',
  mutation: true,
  request: z.strictObject({ approvalId: z.uuid() }),
  reply: ended,
});
