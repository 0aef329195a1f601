import { MAX_BREAK_GLASS_MINUTES, type StatementOf } from '@keymesh/contracts';
import { DAY, MINUTE } from '@keymesh/kernel';
import type { BreakGlassOpening, FoldState } from './fold-state.js';
import { rejected } from './statements.js';

/** Openings of one principal within a day: who needs more has a role to ask for. */
export const MAX_OPENINGS_A_DAY = 4;
/** How far a holder's clock may be ahead of a reader's. */
const SKEW_MS = 10 * MINUTE;

/** Whether it gives anything now, by the reader's clock. INVARIANT: it does not begin before it was opened, whatever its end. */
export const isOpenNow = ({ openedAt, until, closedAt }: BreakGlassOpening, nowMs: number): boolean =>
  closedAt === null && Date.parse(openedAt) - SKEW_MS <= nowMs && nowMs < Date.parse(until);

/** @throws STATEMENT_REJECTED unless its holder has the role at this point of the list, for a while, and not too often. */
export function openBreakGlass(state: FoldState, statement: StatementOf<'break-glass.opened'>): void {
  const { statementId: openingId, principal, until, issuedAt: openedAt } = statement;
  if (state.principals.get(principal)?.roles.includes('break-glass') !== true)
    throw rejected('this principal has not the role break-glass');
  const [from, to] = [Date.parse(openedAt), Date.parse(until)];
  if (to <= from || to - from > MAX_BREAK_GLASS_MINUTES * MINUTE)
    throw rejected(`it lasts more than ${String(MAX_BREAK_GLASS_MINUTES)} minutes, or none`);
  const own = openingsOf(state, principal);
  if (own.some((opening) => opening.closedAt === null && Date.parse(opening.until) > from))
    throw rejected('break-glass of this principal is open already; close it first');
  if (own.filter((opening) => Date.parse(opening.openedAt) > from - DAY).length >= MAX_OPENINGS_A_DAY)
    throw rejected(`it was opened ${String(MAX_OPENINGS_A_DAY)} times within a day already`);
  const unreviewed = { closedAt: null, closedBy: null, reviewedAt: null, reviewedBy: null, justified: null };
  state.openings.set(openingId, { openingId, principal, openedAt, until, ...unreviewed });
}

/** @throws STATEMENT_REJECTED for one that is closed, or was closed before it was opened. */
export function closeBreakGlass(state: FoldState, statement: StatementOf<'break-glass.closed'>): void {
  const opening = existing(state, statement);
  if (opening.closedAt !== null) throw rejected('this opening is closed already');
  close(state, opening, statement.issuedAt, statement.issuer);
}

/** @throws STATEMENT_REJECTED for one's own opening, and for one that was reviewed or is still open. */
export function reviewBreakGlass(state: FoldState, statement: StatementOf<'break-glass.reviewed'>): void {
  const opening = existing(state, statement);
  const { issuer: reviewedBy, issuedAt: reviewedAt, justified } = statement;
  if (reviewedBy === opening.principal) throw rejected('whoever opened break-glass cannot review it');
  if (opening.reviewedAt !== null) throw rejected('this opening was reviewed already');
  if (opening.closedAt === null && Date.parse(reviewedAt) < Date.parse(opening.until))
    throw rejected('this opening has not ended yet');
  state.openings.set(opening.openingId, { ...opening, reviewedAt, reviewedBy, justified });
}

/** Whoever loses the role or is disabled does not come back with break-glass open. */
export function endOpenings(state: FoldState, principal: string, at: string, by: string): void {
  for (const opening of openingsOf(state, principal))
    if (opening.closedAt === null && Date.parse(opening.until) > Date.parse(at))
      close(state, opening, at, by);
}

const close = (state: FoldState, opening: BreakGlassOpening, closedAt: string, closedBy: string): void =>
  void state.openings.set(opening.openingId, { ...opening, closedAt, closedBy });

const openingsOf = (state: FoldState, principal: string): readonly BreakGlassOpening[] =>
  [...state.openings.values()].filter((opening) => opening.principal === principal);

function existing(
  state: FoldState,
  { openingId, principal }: { readonly openingId: string; readonly principal: string },
): BreakGlassOpening {
  const opening = state.openings.get(openingId);
  if (opening?.principal !== principal) throw rejected('there is no such opening of this principal');
  return opening;
}
