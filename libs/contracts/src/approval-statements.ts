import { z } from 'zod';
import { ACTIONS, clientPrincipalName, principalName } from './identity.js';

/** What of a policy request an approval is for: all that selects what is given, and nothing that changes by itself. */
export const approvableRequest = z.strictObject({
  /** Who asks. */ principal: principalName,
  action: z.enum(ACTIONS),
  resource: z.strictObject({
    kind: z.enum(['credential', 'namespace']),
    id: z.string().min(1).max(256),
  }),
  /** As in the request, or absent as there: the approval of "the current one" is none of version 3. */
  version: z.int().min(1).optional(),
  stage: z.string().min(1).max(16).optional(),
  purpose: z.string().min(1).max(128).optional(),
});
export type ApprovableRequest = z.output<typeof approvableRequest>;

/** An approval lasts at most this long, whatever is written in it. */
export const MAX_APPROVAL_SECONDS = 86_400;
/** A policy that demands more approvals than this can be turned by none. */
export const MAX_APPROVALS = 5;

/**
 * What an approver signs with its channel key. Text form as a statement's. It holds the whole request, so that whoever signs it signs what
 * it was shown, and whoever reads it compares it with what is asked.
 */
export const approval = z.strictObject({
  v: z.literal(1),
  meshId: z.string(),
  /** Of the request for it. */ approvalId: z.uuid(),
  request: approvableRequest,
  approver: clientPrincipalName,
  issuedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type Approval = z.output<typeof approval>;
