import { failure, type lockPrincipal, type ReplyOf } from '@keymesh/contracts';
import { SECOND, type Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { authorize, requestKey, type OperationPorts } from '../domain/authorize.js';
import { findPrincipal, takingsOf } from '../domain/guards.js';
import type { CutConnections } from '../domain/ports.js';

/**
 * Takes everything from a principal for a while. Never from operators, so that a detector that errs (or is made to) locks nobody out
 * of the mesh itself. The lock ends by the clock, without anybody. A longer lock stays.
 */
export const makeLockPrincipal =
  (
    ports: OperationPorts & { readonly clock: Clock; readonly cutConnections: CutConnections },
  ): Handler<typeof lockPrincipal> =>
  async ({ principal, lockSeconds, reason }, call) => {
    const { book, makeRecord, clock, cutConnections } = ports;
    const decision = await authorize(ports, call, {
      action: 'principal.lock',
      type: 'principal.locked',
      subject: principal,
      content: { lockSeconds },
    });
    const reply = await book.change<ReplyOf<typeof lockPrincipal>>(requestKey(call), (state) => {
      const { kind, roles } = findPrincipal(state, principal);
      if (kind === 'operator' || kind === 'system' || roles.includes('operator'))
        throw failure('DENIED', { publicMessage: 'Operators and services of the mesh are never locked.' });
      const takings = takingsOf(state, principal, clock.now());
      const before = takings.find(({ status }) => status === 'locked')?.until;
      const asked = new Date(clock.now() + lockSeconds * SECOND).toISOString();
      const lockedUntil = before != null && Date.parse(before) > Date.parse(asked) ? before : asked;
      const answer = (bundleVersion: number) => ({ principal, lockedUntil, bundleVersion });
      if (lockedUntil === before) return { records: [], reply: answer };
      const locked = { principal, status: 'locked' as const, until: lockedUntil, reason };
      const facts = { lockSeconds, lockedUntil };
      const record = makeRecord('principal.locked', 'success', { call, subject: principal, decision, facts });
      return {
        change: {
          taken: [{ principal, takings: [...takings.filter(({ status }) => status !== 'locked'), locked] }],
        },
        records: [{ record, beside: { reason } }],
        reply: answer,
      };
    });
    // Whoever asks over RPC is told PRINCIPAL_LOCKED on the next message; the feed asks nobody, so its reader is cut.
    if (book.current().directory.find(principal)?.roles.includes('siem') === true)
      await cutConnections([principal]);
    return reply;
  };
