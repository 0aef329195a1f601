import { failure, type disablePrincipal, type ReplyOf } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { authorize, requestKey, type OperationPorts } from '../domain/authorize.js';
import { anotherOperatorRemains, findPrincipal } from '../domain/guards.js';
import type { CutConnections } from '../domain/ports.js';

/**
 * Takes everything from a principal, at once and until an operator's statement gives it back; withdraws the token of one that was
 * only invited. Its connections are cut before we answer; the bundle that says so is durable before they are cut.
 */
export const makeDisablePrincipal =
  (ports: OperationPorts & { readonly cutConnections: CutConnections }): Handler<typeof disablePrincipal> =>
  async ({ principal, reason }, call) => {
    const { book, makeRecord, cutConnections } = ports;
    const decision = await authorize(ports, call, {
      action: 'principal.write',
      type: 'principal.disabled',
      subject: principal,
      content: {},
    });
    const reply = await book.change<ReplyOf<typeof disablePrincipal>>(requestKey(call), (state) => {
      const entry = findPrincipal(state, principal);
      const answer = (bundleVersion: number) => ({ principal, bundleVersion });
      if (entry.status === 'disabled') return { records: [], reply: answer };
      if (entry.roles.includes('operator') && !anotherOperatorRemains(state, principal))
        throw failure('DENIED', {
          publicMessage: 'The last operator cannot be disabled. Enrol another one first.',
        });
      const record = makeRecord('principal.disabled', 'success', { call, subject: principal, decision });
      return {
        change: { taken: [{ principal, takings: [{ principal, status: 'disabled', until: null, reason }] }] },
        records: [{ record, beside: { reason } }],
        reply: answer,
      };
    });
    await cutConnections([principal]);
    return reply;
  };
