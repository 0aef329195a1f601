import type { ReplyOf, unlockPrincipal } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { authorize, requestKey, type OperationPorts } from '../domain/authorize.js';
import { findPrincipal, takingsOf } from '../domain/guards.js';

/** Ends a lock early; of one that is not locked it changes nothing. Operators only: who may lock may not undo what others locked. */
export const makeUnlockPrincipal =
  (ports: OperationPorts & { readonly clock: Clock }): Handler<typeof unlockPrincipal> =>
  async ({ principal }, call) => {
    const { book, makeRecord, clock } = ports;
    const decision = await authorize(ports, call, {
      action: 'principal.write',
      type: 'principal.unlocked',
      subject: principal,
      content: {},
    });
    return book.change<ReplyOf<typeof unlockPrincipal>>(requestKey(call), (state) => {
      findPrincipal(state, principal);
      const reply = (bundleVersion: number) => ({ principal, bundleVersion });
      const before = takingsOf(state, principal, clock.now());
      const takings = before.filter(({ status }) => status !== 'locked');
      if (takings.length === before.length) return { records: [], reply };
      const record = makeRecord('principal.unlocked', 'success', { call, subject: principal, decision });
      return { change: { taken: [{ principal, takings }] }, records: [{ record }], reply };
    });
  };
