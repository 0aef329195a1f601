import { createHash } from 'node:crypto';
import type { ReplyOf, setPolicy } from '@keymesh/contracts';
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

/**
 * Whoever writes policies writes, changes or removes one, by an own signature. Every service decides by it with the next bundle; a policy
 * that takes two persons waits for the second.
 */
export const makeSetPolicy =
  (ports: OperationPorts & { readonly clock: Clock; readonly record: Record }): Handler<typeof setPolicy> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock } = ports;
    const said = readFreshStatement(text, 'policy.set', call, clock);
    const { policyId, cedar, twoPerson, statementId } = said;
    const resource = policyResource(book.current(), policyId, twoPerson);
    const asked = { action: 'policy.write', type: 'policy.set', resource, content: contentOf(said) } as const;
    return authorized(ports, call, asked, (decision) => {
      checkText(said);
      return book.change<ReplyOf<typeof setPolicy>>(requestKey(call), ({ directory }) => {
        const isRepeat = directory.statements.includes(text);
        const next = isRepeat ? directory : directory.extend([text]); // STATEMENT_REJECTED comes from here, before anything is written
        const waits = next.pendingPolicies.some((pending) => pending.statementId === statementId);
        const done = cedar === null ? ('removed' as const) : ('in-force' as const);
        const reply = (bundleVersion: number) => ({
          policyId,
          state: waits ? ('waiting' as const) : done,
          bundleVersion,
        });
        if (isRepeat) return { records: [], reply };
        if (!waits) checkWayBack(next, policyId, decision);
        const facts = { statementId, twoPerson, waits, textHash: cedar === null ? 'none' : sha256(cedar) };
        const about = { resource: { kind: 'policy', id: policyId } };
        const record = makeRecord('policy.set', 'success', { call, decision, facts, ...about });
        return { change: { statements: [text] }, records: [{ record }], reply };
      });
    });
  };

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
