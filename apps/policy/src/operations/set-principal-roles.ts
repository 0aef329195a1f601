import { failure, type ReplyOf, type setPrincipalRoles } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { authorize, contentOf, requestKey, type OperationPorts } from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';
import { anotherOperatorRemains, findPrincipal } from '../domain/guards.js';
import type { CutConnections } from '../domain/ports.js';

/**
 * An operator sets the roles of a principal by its own signature: grants and ungrants. Every service decides by them with the next
 * bundle. Who becomes or was a reader of the feed is cut, because it belongs into another account of the broker from then on.
 */
export const makeSetPrincipalRoles =
  (
    ports: OperationPorts & { readonly clock: Clock; readonly cutConnections: CutConnections },
  ): Handler<typeof setPrincipalRoles> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock, cutConnections } = ports;
    const said = readFreshStatement(text, 'principal.roles-set', call, clock);
    const { principal, roles, before } = said;
    const decision = await authorize(ports, call, {
      action: 'principal.write',
      type: 'principal.roles-set',
      subject: principal,
      attributes: { roles },
      content: contentOf(said),
    });
    const reply = await book.change<ReplyOf<typeof setPrincipalRoles>>(requestKey(call), (state) => {
      findPrincipal(state, principal);
      const answer = (bundleVersion: number) => ({ principal, bundleVersion });
      if (state.directory.statements.includes(text)) return { records: [], reply: answer };
      if (
        before.includes('operator') &&
        !roles.includes('operator') &&
        !anotherOperatorRemains(state, principal)
      )
        throw failure('DENIED', {
          publicMessage: 'The last operator cannot lose that role. Enrol another one first.',
        });
      state.directory.extend([text]); // STATEMENT_REJECTED comes from here, before anything is written
      const facts = { roles: roles.join(' '), before: before.join(' ') };
      const record = makeRecord('principal.roles-set', 'success', {
        call,
        subject: principal,
        decision,
        facts,
      });
      return { change: { statements: [text] }, records: [{ record }], reply: answer };
    });
    if (before.includes('siem') !== roles.includes('siem')) await cutConnections([principal]);
    return reply;
  };
