import { describe, expect, it } from '@jest/globals';
import { HOUR, MINUTE, SECOND } from '@keymesh/kernel';
import { makeTestClock } from '@keymesh/testing';
import fc from 'fast-check';
import { lockoutMsOf, makeFailedAttempts } from './failed-attempts.js';

const RULE = { free: 5, firstMs: SECOND, longestMs: 15 * MINUTE };

describe('failed attempts', () => {
  it('of a loop that tries a hundred times a second for a day are looked at a hundred times, not 8,640,000', () => {
    const clock = makeTestClock();
    const attempts = makeFailedAttempts({ clock, ...RULE });
    const lookedAt: number[] = [];
    while (clock.monotonic() < 24 * HOUR) {
      if (!attempts.isLockedOut('guesser')) {
        lookedAt.push(clock.monotonic());
        attempts.failed('guesser');
      }
      clock.advance(10);
    }
    expect(lookedAt.length).toBeLessThan(5 + 11 + (24 * HOUR) / (15 * MINUTE));
    const gaps = lookedAt.slice(1).map((at, index) => at - lookedAt[index]!);
    // The first five are free; then each wait is twice the one before, until the longest.
    expect(gaps.slice(0, 5).every((gap) => gap <= 10)).toBe(true);
    for (const [index, gap] of gaps.slice(5).entries())
      expect(gap).toBeGreaterThanOrEqual(Math.min(RULE.longestMs, SECOND * 2 ** index));
  }, 60_000);

  it('never lock out anybody else, whatever comes in whatever order', () => {
    const key = fc.constantFrom('a', 'b', 'c');
    const step = fc.record({ key, waitMs: fc.nat(20 * SECOND), good: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const clock = makeTestClock();
        const attempts = makeFailedAttempts({ clock, ...RULE });
        for (const { key: by, waitMs, good } of steps) {
          clock.advance(waitMs);
          if (by === 'c' && good) attempts.succeeded('c');
          else if (by !== 'c' && !attempts.isLockedOut(by)) attempts.failed(by);
          expect(attempts.isLockedOut('c')).toBe(false);
        }
      }),
    );
  });

  it('are forgotten by a success, and by an hour of silence', () => {
    const clock = makeTestClock();
    const attempts = makeFailedAttempts({ clock, ...RULE });
    for (let index = 0; index < 6; index += 1) attempts.failed('a');
    expect(attempts.isLockedOut('a')).toBe(true);
    attempts.succeeded('a');
    expect(attempts.isLockedOut('a')).toBe(false);
    for (let index = 0; index < 20; index += 1) attempts.failed('a');
    clock.advance(15 * MINUTE + HOUR + 1);
    expect(attempts.failed('a')).toBeUndefined();
  });

  it('of a hundred thousand sources are held in bounded memory, and the one that goes on is not forgotten for them', () => {
    const clock = makeTestClock();
    const attempts = makeFailedAttempts({ clock, maxKeys: 10_000, ...RULE });
    for (let source = 0; source < 100_000; source += 1) {
      attempts.failed(`10.${String(source >> 16)}.${String((source >> 8) & 255)}.${String(source & 255)}`);
      if (source % 5_000 === 0) attempts.failed('loud');
    }
    expect(attempts.size()).toBe(10_000);
    expect(attempts.isLockedOut('loud')).toBe(true);
  });

  it('lock out for no longer than the longest, however many there were', () => {
    expect(lockoutMsOf(5, RULE)).toBe(0);
    expect(lockoutMsOf(6, RULE)).toBe(SECOND);
    expect(lockoutMsOf(7, RULE)).toBe(2 * SECOND);
    expect(lockoutMsOf(Number.MAX_SAFE_INTEGER, RULE)).toBe(15 * MINUTE);
  });
});
