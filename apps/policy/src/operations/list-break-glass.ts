import type { BreakGlassSummary, listBreakGlass } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { isOpenNow, type BreakGlassOpening } from '@keymesh/policy-engine';
import type { OperationPorts } from '../domain/authorize.js';
import type { BreakGlassNote, Record } from '../domain/ports.js';

/** Openings, newest first: everybody's for whoever reviews them, else the caller's own. Recorded before it is told. */
export const makeListBreakGlass =
  (
    ports: OperationPorts & {
      readonly clock: Clock;
      readonly record: Record;
      /** By opening. @throws STORE_UNAVAILABLE */
      readonly listNotes: () => Promise<ReadonlyMap<string, BreakGlassNote>>;
    },
  ): Handler<typeof listBreakGlass> =>
  async (_request, call) => {
    const { book, askPolicy, makeRecord, record, clock, listNotes } = ports;
    // Not a right that it lacks, only what it sees.
    const decision = askPolicy(call, 'break-glass.review', { kind: 'principal', id: '*', attributes: {} });
    const all = decision.permitted;
    const notes = await listNotes();
    const openings = book
      .current()
      .directory.openings.filter(({ principal }) => all || principal === call.principal)
      .map((opening) => summaryOf(opening, notes.get(opening.openingId), clock.now()))
      .reverse();
    const facts = { openings: openings.length };
    await record({
      record: makeRecord('break-glass.listed', 'success', { call, facts, ...(all ? { decision } : {}) }),
    });
    return { openings };
  };

const summaryOf = (
  opening: BreakGlassOpening,
  note: BreakGlassNote | undefined,
  nowMs: number,
): BreakGlassSummary => ({
  ...opening,
  status: isOpenNow(opening, nowMs) ? 'open' : opening.reviewedAt === null ? 'unreviewed' : 'reviewed',
  reason: note?.reason ?? null,
  finding: note?.finding ?? null,
});
