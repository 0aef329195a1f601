import type { BreakGlassSummary, listBreakGlass } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import { callContext, type Call, type Handler } from '@keymesh/mesh';
import { isOpenNow, policyPrincipal, type BreakGlassOpening } from '@keymesh/policy-engine';
import { decisionRecord, type DecisionRecord } from '../domain/audit.js';
import type { OperationPorts } from '../domain/authorize.js';
import type { BreakGlassNote, PolicyBook, Record } from '../domain/ports.js';

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
    const { book, makeRecord, record, clock, listNotes } = ports;
    const decision = reviewing(book, call);
    const all = decision?.effect === 'permit';
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

/** Whether the caller reviews: not a right that it lacks, only what it sees. */
function reviewing({ current }: Pick<PolicyBook, 'current'>, call: Call): DecisionRecord | undefined {
  const { directory, engine } = current();
  const entry = directory.find(call.principal);
  if (entry === undefined) return undefined;
  const resource = { kind: 'principal' as const, id: '*', attributes: {} };
  const principal = policyPrincipal(entry);
  const request = { principal, action: 'break-glass.review' as const, resource, context: callContext(call) };
  return decisionRecord(engine.decide(request), request);
}

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
