import { describe, expect, it } from '@jest/globals';
import { DAY, HOUR } from '@keymesh/kernel';
import type { BreakGlassOpening } from '@keymesh/policy-engine';
import { Registry } from 'prom-client';
import { makeTestClock } from '@keymesh/testing';
import { observeBreakGlass } from './break-glass-metrics.js';
import type { PolicyBook } from './domain/ports.js';

const clock = makeTestClock();
const START = clock.now();
const at = (ms: number): string => new Date(START + ms).toISOString();
const opening = (over: Partial<BreakGlassOpening>): BreakGlassOpening => ({
  ...{ openingId: 'o1', principal: 'oncall', openedAt: at(0), until: at(HOUR), closedAt: null },
  ...{ closedBy: null, reviewedAt: null, reviewedBy: null, justified: null },
  ...over,
});

describe('the metric of break-glass', () => {
  it('goes with the clock: open, then unreviewed, overdue after a day; reviewed whenever somebody did', async () => {
    const openings = [opening({}), opening({ closedAt: at(60_000) }), opening({ reviewedAt: at(HOUR) })];
    const book = { current: () => ({ directory: { openings } }) } as unknown as Pick<PolicyBook, 'current'>;
    const registry = new Registry();
    observeBreakGlass(registry, book, clock);
    const counted = async (): Promise<Record<string, number>> => {
      const [metric] = await registry.getMetricsAsJSON();
      return Object.fromEntries(
        (metric?.values ?? []).map(({ labels, value }) => [String(labels.state), value]),
      );
    };
    clock.advance(2 * 60_000);
    expect(await counted()).toEqual({ open: 2, unreviewed: 1, overdue: 0, reviewed: 0 });
    clock.advance(HOUR);
    expect(await counted()).toEqual({ open: 0, unreviewed: 2, overdue: 0, reviewed: 1 });
    clock.advance(DAY - HOUR);
    expect(await counted()).toEqual({ open: 0, unreviewed: 1, overdue: 1, reviewed: 1 });
    clock.advance(HOUR);
    expect(await counted()).toEqual({ open: 0, unreviewed: 0, overdue: 2, reviewed: 1 });
  });
});
