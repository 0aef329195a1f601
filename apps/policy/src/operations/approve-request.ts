import { failure, type approveRequest, type ReplyOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { readApproval, requestDigestOf, type Directory, type HeldApproval } from '@keymesh/policy-engine';
import {
  factsOf,
  findOpen,
  MAX_APPROVALS_IN_FORCE,
  readFreshApproval,
  refuse,
  refused,
  resourceOf,
  type AskedApproval,
} from '../domain/approvals.js';
import { authorized, requestKey, type OperationPorts } from '../domain/authorize.js';
import type { Record } from '../domain/ports.js';

/**
 * Adds the caller's signed approval to a request. It counts from the next bundle on, where every service checks for itself who signed it,
 * and for what.
 */
export const makeApproveRequest =
  (
    ports: OperationPorts & {
      readonly clock: Clock;
      readonly record: Record;
      readonly listAsked: () => Promise<readonly AskedApproval[]>;
    },
  ): Handler<typeof approveRequest> =>
  async ({ approval: text }, call) => {
    const { book, makeRecord, clock, listAsked } = ports;
    const held = readFreshApproval(text, book, call, clock);
    const { approvalId, approver } = held.approval;
    const asked = findOpen(await listAsked(), approvalId, clock.now());
    if (asked.request.principal === approver)
      throw await refuse(ports, call, 'approval.approved', 'Nobody approves a request of their own.');
    const resource = resourceOf(asked, book.current());
    const right = { action: 'approve', type: 'approval.approved', resource } as const;
    return authorized(ports, call, right, (decision) =>
      book.change<ReplyOf<typeof approveRequest>>(requestKey(call), (state) => {
        const now = findOpen(state.asked, approvalId, clock.now());
        checkIsOf(now, held, state.directory.meshId);
        const { given, approvals } = withApproval(now, held, state.directory);
        const reply = (bundleVersion: number) => ({ approvalId, approvals: approvals.length, bundleVersion });
        if (given) return { records: [], reply };
        if (state.directory.approvals.length >= MAX_APPROVALS_IN_FORCE)
          throw failure('RATE_LIMITED', {
            publicMessage:
              'Too many approvals are in force in this mesh. Let some expire, or reject requests.',
          });
        const { kind, id } = resource;
        const facts = { ...factsOf(now), expiresAt: held.approval.expiresAt, approvals: approvals.length };
        const record = makeRecord('approval.approved', 'success', {
          call,
          resource: { kind, id },
          decision,
          facts,
        });
        return { change: {}, asked: [{ ...now, approvals }], records: [{ record }], reply };
      }),
    );
  };

/** One for each approver; one that was signed with a key that has ended makes place for another. */
function withApproval(
  { approvals }: AskedApproval,
  { approval: { approver }, text }: HeldApproval,
  directory: Pick<Directory, 'find'>,
): { readonly given: boolean; readonly approvals: readonly string[] } {
  const known = approvals.map(readApproval).find(({ approval }) => approval.approver === approver);
  if (known !== undefined && directory.find(approver)?.channelKeys.includes(known.signer) === true)
    return { given: true, approvals };
  return { given: false, approvals: [...approvals.filter((kept) => kept !== known?.text), text] };
}

/** @throws STATEMENT_REJECTED unless it is of exactly this request, and ends no later. */
function checkIsOf(asked: AskedApproval, { approval }: HeldApproval, meshId: string): void {
  if (requestDigestOf(meshId, approval.request) !== asked.requestDigest)
    throw refused('it is of another request');
  if (Date.parse(approval.expiresAt) > Date.parse(asked.expiresAt))
    throw refused('it lasts longer than was asked for');
}
