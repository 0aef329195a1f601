import type { ReplyOf, reviewBreakGlass } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { authorized, contentOf, requestKey, type OperationPorts } from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';
import type { Record } from '../domain/ports.js';

/** Somebody else says what was found when looking at what was done under an opening. Once, after its end. */
export const makeReviewBreakGlass =
  (
    ports: OperationPorts & { readonly clock: Clock; readonly record: Record },
  ): Handler<typeof reviewBreakGlass> =>
  async ({ statement: text, finding }, call) => {
    const { book, makeRecord, clock } = ports;
    const said = readFreshStatement(text, 'break-glass.reviewed', call, clock);
    const { principal, openingId, justified } = said;
    const right = {
      action: 'break-glass.review',
      type: 'break-glass.reviewed',
      subject: principal,
      content: contentOf(said),
    } as const;
    return authorized(ports, call, right, (decision) =>
      book.change<ReplyOf<typeof reviewBreakGlass>>(requestKey(call), (state) => {
        const reply = (bundleVersion: number) => ({ openingId, principal, bundleVersion });
        if (state.directory.statements.includes(text)) return { records: [], reply };
        state.directory.extend([text]);
        const record = makeRecord('break-glass.reviewed', 'success', {
          call,
          subject: principal,
          decision,
          facts: { openingId, justified },
        });
        return {
          change: { statements: [text] },
          notes: [{ openingId, reason: null, finding }],
          records: [{ record, beside: { finding } }],
          reply,
        };
      }),
    );
  };
