import { requestApproval, toPublicError } from '@keymesh/contracts';
import type { Session } from './command.js';
import { note } from './output.js';

/** Asks others to approve exactly what was refused, where approvals would turn it: the service has told what that is. */
export async function askApproval(
  session: Pick<Session, 'keymesh'>,
  error: unknown,
  reason: string,
): Promise<void> {
  const { code, approvals } = toPublicError(error);
  if (code !== 'APPROVAL_REQUIRED' || approvals?.request === undefined) return;
  const { principal, ...request } = approvals.request;
  const keymesh = await session.keymesh();
  const asked = await keymesh.call(requestApproval, {
    ...request,
    ...(approvals.content === undefined ? {} : { content: approvals.content }),
    reason,
  });
  note(
    `Asked as ${principal}: ${asked.approvalId}, until ${asked.expiresAt}. When others have approved it, run the same command again.`,
  );
}
