import { DAY, type Clock } from '@keymesh/kernel';
import { isOpenNow, type BreakGlassOpening } from '@keymesh/policy-engine';
import { Gauge, type Registry } from 'prom-client';
import type { PolicyBook } from './domain/ports.js';

/** How long somebody may take to review an opening. */
const REVIEW_WITHIN_MS = DAY;

type State = 'open' | 'unreviewed' | 'overdue' | 'reviewed';
const STATES: readonly State[] = ['open', 'unreviewed', 'overdue', 'reviewed'];

/** `overdue`: it ended more than a day ago and nobody has looked at it. */
export function stateOf(opening: BreakGlassOpening, nowMs: number): State {
  if (isOpenNow(opening, nowMs)) return 'open';
  if (opening.reviewedAt !== null) return 'reviewed';
  const endedAt = Date.parse(opening.closedAt ?? opening.until);
  return nowMs - endedAt > REVIEW_WITHIN_MS ? 'overdue' : 'unreviewed';
}

/** Counts openings by state whenever somebody looks: they change with the clock. */
export function observeBreakGlass(registry: Registry, book: Pick<PolicyBook, 'current'>, clock: Clock): void {
  new Gauge({
    name: 'keymesh_policy_break_glass_openings',
    help: 'Openings of break-glass by state; overdue: ended more than a day ago and not reviewed.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const states = book.current().directory.openings.map((opening) => stateOf(opening, clock.now()));
      for (const state of STATES) this.set({ state }, states.filter((of) => of === state).length);
    },
  });
}
