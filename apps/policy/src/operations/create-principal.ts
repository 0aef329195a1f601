import { failure, type createPrincipal, type ReplyOf, type StatementOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { authorize, requestKey, type OperationPorts } from '../domain/authorize.js';
import { checkInvitation, readFreshStatement } from '../domain/fresh-statement.js';
import type { Change, PolicyState } from '../domain/ports.js';

/**
 * An operator invites a principal: the statement that it signed itself is added to the book. We carry it; we could not make it.
 * The same statement again changes nothing.
 */
export const makeCreatePrincipal =
  (ports: OperationPorts & { readonly clock: Clock }): Handler<typeof createPrincipal> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, clock } = ports;
    const statement = readFreshStatement(text, 'enrolment.issued', call, clock);
    const { principal, kind, roles } = statement;
    const decision = await authorize(ports, call, {
      action: 'principal.write',
      type: 'principal.created',
      subject: principal,
      attributes: { kind, roles },
      // Not the token: it is made anew each time, and whoever asks hands it out.
      content: { kind, roles },
    });
    checkInvitation(statement, clock);
    return book.change<ReplyOf<typeof createPrincipal>>(requestKey(call), (state) => {
      const reply = (bundleVersion: number) => ({ principal, bundleVersion });
      if (state.directory.statements.includes(text)) return { records: [], reply };
      const change = invite(state, text, statement, clock.now());
      const facts = { kind, roles: roles.join(' '), expiresAt: statement.expiresAt };
      const record = makeRecord('principal.created', 'success', {
        call,
        subject: principal,
        decision,
        facts,
      });
      return { change, records: [{ record }], reply };
    });
  };

/** A name that is only invited can be invited anew once its token has ended or was taken away. */
function invite(
  { directory }: PolicyState,
  text: string,
  { principal }: StatementOf<'enrolment.issued'>,
  nowMs: number,
): Change {
  const open = directory.enrolmentOf(principal);
  const status = directory.find(principal)?.status;
  const ended = open !== undefined && (status !== 'invited' || Date.parse(open.expiresAt) < nowMs);
  if (status !== undefined && !ended) {
    const publicMessage =
      open === undefined
        ? undefined
        : 'This principal is invited and has not enrolled yet. Disable it to withdraw that token, then invite it again.';
    throw failure('PRINCIPAL_EXISTS', publicMessage === undefined ? {} : { publicMessage });
  }
  directory.extend([text]); // STATEMENT_REJECTED comes from here, before anything is written
  return { statements: [text], taken: [{ principal, takings: [] }] };
}
