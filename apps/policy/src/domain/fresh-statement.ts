import { failure, type Statement, type StatementOf } from '@keymesh/contracts';
import { DAY, MINUTE, type Clock } from '@keymesh/kernel';
import { readStatement } from '@keymesh/policy-engine';
import type { Call } from '@keymesh/mesh';

/** How far an operator's clock may be from ours: an old statement is not kept back to be brought in later. */
const SKEW_MS = 10 * MINUTE;
/** An invitation lives at most this long. */
export const MAX_INVITATION_MS = 31 * DAY;

const refuse = (because: string) =>
  failure('STATEMENT_REJECTED', { publicMessage: `The signed statement is refused: ${because}.` });

/**
 * Reads what an operator sends. Whether the signer is an operator is for the fold.
 * @throws STATEMENT_REJECTED unless it is of this type, by the caller, and made now.
 */
export function readFreshStatement<T extends Statement['type']>(
  text: string,
  type: T,
  call: Call,
  clock: Clock,
): StatementOf<T> {
  const { statement } = readStatement(text);
  if (!isOfType(statement, type)) throw refuse(`this operation takes ${type}`);
  if (statement.issuer !== call.principal) throw refuse('it is signed in the name of somebody else');
  if (Math.abs(Date.parse(statement.issuedAt) - clock.now()) > SKEW_MS)
    throw refuse('it was not made now; check the clock of this machine');
  return statement;
}

const isOfType = <T extends Statement['type']>(statement: Statement, type: T): statement is StatementOf<T> =>
  statement.type === type;

/** @throws STATEMENT_REJECTED */
export function checkInvitation(statement: StatementOf<'enrolment.issued'>, clock: Clock): void {
  const endsInMs = Date.parse(statement.expiresAt) - clock.now();
  if (endsInMs <= 0) throw refuse('it has expired');
  if (endsInMs > MAX_INVITATION_MS) throw refuse('an invitation lasts 31 days at most');
}
