import type { enablePrincipal, ReplyOf } from '@keymesh/contracts';
import { failure } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { authorize, contentOf, requestKey, type OperationPorts } from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';
import { findPrincipal } from '../domain/guards.js';

/** An operator gives back, by its own signature, what was disabled. A lock is not ended by it. */
export const makeEnablePrincipal =
  (ports: OperationPorts & { readonly clock: Clock }): Handler<typeof enablePrincipal> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock } = ports;
    const said = readFreshStatement(text, 'principal.status-set', call, clock);
    const { principal, status } = said;
    const decision = await authorize(ports, call, {
      action: 'principal.write',
      type: 'principal.enabled',
      subject: principal,
      content: contentOf(said),
    });
    if (status !== 'active')
      throw failure('STATEMENT_REJECTED', {
        publicMessage: 'This operation takes a statement with status active.',
      });
    return book.change<ReplyOf<typeof enablePrincipal>>(requestKey(call), (state) => {
      findPrincipal(state, principal);
      const reply = (bundleVersion: number) => ({ principal, bundleVersion });
      if (state.directory.statements.includes(text)) return { records: [], reply };
      state.directory.extend([text]);
      const takings = state.directory.taken.filter(
        (taking) => taking.principal === principal && taking.status === 'locked',
      );
      const record = makeRecord('principal.enabled', 'success', { call, subject: principal, decision });
      return {
        change: { statements: [text], taken: [{ principal, takings }] },
        records: [{ record }],
        reply,
      };
    });
  };
