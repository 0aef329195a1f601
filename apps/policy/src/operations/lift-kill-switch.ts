import { failure, type liftKillSwitch, type ReplyOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { authorize, contentOf, requestKey, type OperationPorts } from '../domain/authorize.js';
import { readFreshStatement } from '../domain/fresh-statement.js';

/** An operator gives back, by its own signature, what a kill switch took. Whoever lost its connection comes back by itself. */
export const makeLiftKillSwitch =
  (ports: OperationPorts & { readonly clock: Clock }): Handler<typeof liftKillSwitch> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock } = ports;
    const said = readFreshStatement(text, 'kill-switch.lifted', call, clock);
    const { killId } = said;
    const decision = await authorize(ports, call, {
      ...{ action: 'principal.write', type: 'kill-switch.lifted', content: contentOf(said) },
    });
    return book.change<ReplyOf<typeof liftKillSwitch>>(requestKey(call), ({ directory }) => {
      const reply = (bundleVersion: number) => ({ killId, bundleVersion });
      if (directory.statements.includes(text)) return { records: [], reply };
      const kill = directory.kills.find((known) => known.killId === killId);
      if (kill === undefined) throw failure('KILL_SWITCH_NOT_FOUND');
      directory.extend([text]); // STATEMENT_REJECTED comes from here, before anything is written
      const { scope, name } = kill;
      const facts = { killId, scope, ...(name === undefined ? {} : { name }) };
      const record = makeRecord('kill-switch.lifted', 'success', { call, decision, facts });
      return { change: { statements: [text] }, records: [{ record }], reply };
    });
  };
