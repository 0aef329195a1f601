import type { closeBreakGlass, ReplyOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { authorize, contentOf, requestKey, type OperationPorts } from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';

/** Ends an opening before its time: its holder, or an operator whose `principal.write` it takes. */
export const makeCloseBreakGlass =
  (ports: OperationPorts & { readonly clock: Clock }): Handler<typeof closeBreakGlass> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock } = ports;
    const said = readFreshStatement(text, 'break-glass.closed', call, clock);
    const { principal, openingId } = said;
    const content = contentOf(said);
    const asked = {
      action: 'principal.write',
      type: 'break-glass.closed',
      subject: principal,
      content,
    } as const;
    const decision = principal === call.principal ? undefined : await authorize(ports, call, asked);
    return book.change<ReplyOf<typeof closeBreakGlass>>(requestKey(call), (state) => {
      const reply = (bundleVersion: number) => ({ openingId, principal, bundleVersion });
      if (state.directory.statements.includes(text)) return { records: [], reply };
      state.directory.extend([text]);
      const record = makeRecord('break-glass.closed', 'success', {
        call,
        subject: principal,
        facts: { openingId },
        ...(decision === undefined ? {} : { decision }),
      });
      return { change: { statements: [text] }, records: [{ record }], reply };
    });
  };
