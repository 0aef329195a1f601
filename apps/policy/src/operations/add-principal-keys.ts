import type { addPrincipalKeys, ReplyOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { requestKey, type OperationPorts } from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';
import { findPrincipal } from '../domain/guards.js';
import { authorizeKeyChange, checkOwnChange } from '../domain/key-change.js';

/** Further keys of a principal, good beside those that it has: by its own signature or an operator's. */
export const makeAddPrincipalKeys =
  (ports: OperationPorts & { readonly clock: Clock }): Handler<typeof addPrincipalKeys> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock } = ports;
    const statement = readFreshStatement(text, 'principal.keys-added', call, clock);
    const { principal, nkeys, channelKeys } = statement;
    const decision = await authorizeKeyChange(ports, call, statement);
    return book.change<ReplyOf<typeof addPrincipalKeys>>(requestKey(call), (state) => {
      findPrincipal(state, principal);
      const reply = (bundleVersion: number) => ({ principal, bundleVersion });
      if (state.directory.statements.includes(text)) return { records: [], reply };
      checkOwnChange(state, statement, clock);
      state.directory.extend([text]);
      const facts = { nkeys: nkeys.join(' '), channelKeys: channelKeys.map(({ key }) => key).join(' ') };
      const record = makeRecord('principal.keys-added', 'success', {
        call,
        subject: principal,
        facts,
        ...(decision === undefined ? {} : { decision }),
      });
      return { change: { statements: [text] }, records: [{ record }], reply };
    });
  };
