import type { openBreakGlass, ReplyOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { refuse } from '../domain/approvals.js';
import { requestKey, type OperationPorts } from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';

/**
 * The caller opens its break-glass, by its own signature: from the next bundle until then its role gives what it is for. Nobody is asked,
 * because there may be nobody; everybody is told, and somebody else has to look at it afterwards.
 */
export const makeOpenBreakGlass =
  (ports: OperationPorts & { readonly clock: Clock }): Handler<typeof openBreakGlass> =>
  async ({ statement: text, reason }, call) => {
    const { book, makeRecord, clock } = ports;
    const said = readFreshStatement(text, 'break-glass.opened', call, clock);
    const { principal, until, statementId: openingId } = said;
    if (book.current().directory.find(call.principal)?.roles.includes('break-glass') !== true)
      throw await refuse(ports, call, 'break-glass.opened', 'You have not the role break-glass.');
    return book.change<ReplyOf<typeof openBreakGlass>>(requestKey(call), (state) => {
      const reply = (bundleVersion: number) => ({ openingId, principal, until, bundleVersion });
      if (state.directory.statements.includes(text)) return { records: [], reply };
      state.directory.extend([text]); // STATEMENT_REJECTED comes from here, before anything is written
      const record = makeRecord('break-glass.opened', 'success', {
        call,
        subject: principal,
        facts: { openingId, until },
      });
      return {
        change: { statements: [text] },
        notes: [{ openingId, reason, finding: null }],
        records: [{ record, beside: { reason } }],
        reply,
      };
    });
  };
