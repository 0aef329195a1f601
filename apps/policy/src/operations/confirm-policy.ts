import { failure, type confirmPolicy, type ReplyOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import {
  authorized,
  contentOf,
  policyResource,
  requestKey,
  type OperationPorts,
} from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';
import { checkText, checkWayBack } from '../domain/policy-text.js';
import type { Record } from '../domain/ports.js';

/** A second person agrees to a change that waits, by an own signature; it is in force with the next bundle. Never whoever made it. */
export const makeConfirmPolicy =
  (
    ports: OperationPorts & { readonly clock: Clock; readonly record: Record },
  ): Handler<typeof confirmPolicy> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock } = ports;
    const said = readFreshStatement(text, 'policy.confirmed', call, clock);
    const { policyId, change, statementId } = said;
    const resource = policyResource(book.current(), policyId);
    const asked = {
      action: 'policy.write',
      type: 'policy.confirmed',
      resource,
      content: contentOf(said),
    } as const;
    return authorized(ports, call, asked, (decision) =>
      book.change<ReplyOf<typeof confirmPolicy>>(requestKey(call), ({ directory }) => {
        const isRepeat = directory.statements.includes(text);
        const pending = directory.pendingPolicies.find((waiting) => waiting.statementId === change);
        if (!isRepeat && pending === undefined) throw nothingWaits();
        const next = isRepeat ? directory : directory.extend([text]);
        const isThere = next.policies.some((policy) => policy.policyId === policyId);
        const state = isThere ? ('in-force' as const) : ('removed' as const);
        const reply = (bundleVersion: number) => ({ policyId, state, bundleVersion });
        if (isRepeat || pending === undefined) return { records: [], reply };
        // What is valid may have grown narrower since it was written.
        checkText(pending);
        checkWayBack(next, policyId, decision);
        const facts = { statementId, change, setBy: pending.setBy };
        const about = { resource: { kind: 'policy', id: policyId } };
        const record = makeRecord('policy.confirmed', 'success', { call, decision, facts, ...about });
        return { change: { statements: [text] }, records: [{ record }], reply };
      }),
    );
  };

const nothingWaits = () =>
  failure('POLICY_NOT_FOUND', {
    publicMessage: 'No such change of this policy waits. See `keymesh policy list`.',
  });
