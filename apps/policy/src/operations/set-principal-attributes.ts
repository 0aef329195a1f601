import type { ReplyOf, setPrincipalAttributes } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { authorize, contentOf, requestKey, type OperationPorts } from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';
import { findPrincipal } from '../domain/guards.js';
import type { CutConnections } from '../domain/ports.js';

/**
 * An operator says by its own signature what a principal belongs to. The whole of it: what is not named is no longer so.
 * With networks, its connections are cut: those from where it may be come back by themselves.
 */
export const makeSetPrincipalAttributes =
  (
    ports: OperationPorts & { readonly clock: Clock; readonly cutConnections: CutConnections },
  ): Handler<typeof setPrincipalAttributes> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock, cutConnections } = ports;
    const said = readFreshStatement(text, 'principal.attributes-set', call, clock);
    const { principal, attributes } = said;
    const decision = await authorize(ports, call, {
      action: 'principal.write',
      type: 'principal.attributes-set',
      subject: principal,
      content: contentOf(said),
    });
    const reply = await book.change<ReplyOf<typeof setPrincipalAttributes>>(requestKey(call), (state) => {
      findPrincipal(state, principal);
      const answer = (bundleVersion: number) => ({ principal, bundleVersion });
      if (state.directory.statements.includes(text)) return { records: [], reply: answer };
      state.directory.extend([text]);
      const facts = { set: Object.keys(attributes).sort().join(' ') };
      const record = makeRecord('principal.attributes-set', 'success', {
        call,
        subject: principal,
        decision,
        facts,
      });
      return { change: { statements: [text] }, records: [{ record }], reply: answer };
    });
    if (attributes.networks !== undefined) await cutConnections([principal]);
    return reply;
  };
