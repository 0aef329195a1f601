import { z } from 'zod';
import type { PolicyRequest } from './audit-record.js';
import { ACTIONS, clientPrincipalName, principalName } from './identity.js';

/** What requests are about that can be approved: everything but channel keys, which only services of the mesh ask for. */
export const APPROVABLE_KINDS = [
  'credential',
  'namespace',
  'principal',
  'policy',
  'audit-log',
  'finding',
  'rotation',
] as const satisfies readonly PolicyRequest['resource']['kind'][];

/** What of a policy request an approval is for: all that selects what is given, and nothing that changes by itself. */
export const approvableRequest = z.strictObject({
  /** Who asks. */ principal: principalName,
  action: z.enum(ACTIONS),
  resource: z.strictObject({
    kind: z.enum(APPROVABLE_KINDS),
    id: z.string().min(1).max(256),
  }),
  /** As in the request, or absent as there: the approval of "the current one" is none of version 3. */
  version: z.int().min(1).optional(),
  stage: z.string().min(1).max(16).optional(),
  purpose: z.string().min(1).max(128).optional(),
  /** SHA-256 (hex) over what is to be written, where it is more than action and resource: the text of a policy, roles, keys. */
  contentHash: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});
export type ApprovableRequest = z.output<typeof approvableRequest>;

/** Longest RFC 8785 JSON of what is to be written, in characters. */
export const MAX_APPROVABLE_CONTENT = 32_768;

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
