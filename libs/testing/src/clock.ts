import type { Clock } from '@keymesh/kernel';

/** A clock that stands still until it is turned. Wall clock and monotonic move together. */
export interface TestClock extends Clock {
  advance(milliseconds: number): void;
}

/** @param startMs wall clock at the beginning, milliseconds since the Unix epoch. */
export function makeTestClock(startMs = Date.parse('2026-11-22T12:00:00Z')): TestClock {
  let passedMs = 0;
  return {
    now: () => startMs + passedMs,
    monotonic: () => passedMs,
    advance: (milliseconds) => void (passedMs += milliseconds),
  };
}
