import type { removePrincipalKeys, ReplyOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { requestKey, type OperationPorts } from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';
import { findPrincipal, nkeysOf } from '../domain/guards.js';
import { authorizeKeyChange, checkOwnChange } from '../domain/key-change.js';
import type { CutRemovedKeys } from '../domain/ports.js';

/**
 * Keys of a principal that are no longer good: by its own signature or an operator's. The bundle that says so ends their channel
 * sessions; the connections that were opened with a removed nkey are cut before we answer, those of the other nkeys stay.
 */
export const makeRemovePrincipalKeys =
  (
    ports: OperationPorts & { readonly clock: Clock; readonly cutRemovedKeys: CutRemovedKeys },
  ): Handler<typeof removePrincipalKeys> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock, cutRemovedKeys } = ports;
    const statement = readFreshStatement(text, 'principal.keys-removed', call, clock);
    const { principal, nkeys, channelKeys } = statement;
    const decision = await authorizeKeyChange(ports, call, statement);
    const reply = await book.change<ReplyOf<typeof removePrincipalKeys>>(requestKey(call), (state) => {
      findPrincipal(state, principal);
      const answer = (bundleVersion: number) => ({ principal, bundleVersion });
      if (state.directory.statements.includes(text)) return { records: [], reply: answer };
      checkOwnChange(state, statement, clock);
      state.directory.extend([text]);
      const facts = { nkeys: nkeys.join(' '), channelKeys: channelKeys.join(' ') };
      const record = makeRecord('principal.keys-removed', 'success', {
        call,
        subject: principal,
        facts,
        ...(decision === undefined ? {} : { decision }),
      });
      return { change: { statements: [text] }, records: [{ record }], reply: answer };
    });
    if (nkeys.length > 0) await cutRemovedKeys(principal, nkeysOf(book.current(), principal));
    return reply;
  };
