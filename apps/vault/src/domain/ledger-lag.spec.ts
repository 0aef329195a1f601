import { describe, expect, it } from '@jest/globals';
import { toPublicError } from '@keymesh/contracts';
import { DAY, MINUTE, SECOND } from '@keymesh/kernel';
import { makeTestClock } from '@keymesh/testing';
import fc from 'fast-check';
import { makeLedgerLag } from './ledger-lag.js';

describe('the lag of the ledger', () => {
  const open = (maxUnledgeredMs = MINUTE) => {
    const clock = makeTestClock();
    clock.advance(DAY);
    return { clock, lag: makeLedgerLag({ clock, maxUnledgeredMs }) };
  };

  it('counts as too long until it was measured', () => {
    const { clock, lag } = open();
    expect(lag.isInTime()).toBe(false);
    expect(lag.ageMs()).toBe(Infinity);
    lag.measured(0, clock.monotonic());
    expect(lag.isInTime()).toBe(true);
  });

  it('is in time at the limit, not after it, and again when the ledger has caught up', () => {
    const { clock, lag } = open();
    lag.measured(MINUTE, clock.monotonic());
    expect(lag.isInTime()).toBe(true);
    lag.measured(MINUTE + 1, clock.monotonic());
    expect(lag.isInTime()).toBe(false);
    lag.measured(0, clock.monotonic());
    expect(lag.isInTime()).toBe(true);
  });

  it('grows with the monotonic clock, from before the question, while nothing is measured', () => {
    const age = fc.integer({ min: 0, max: 2 * MINUTE });
    fc.assert(
      fc.property(age, age, age, (ageMs, answeredAfterMs, silentMs) => {
        const { clock, lag } = open();
        const askedAt = clock.monotonic();
        clock.advance(answeredAfterMs);
        lag.measured(ageMs, askedAt);
        clock.advance(silentMs);
        expect(lag.ageMs()).toBe(ageMs + answeredAfterMs + silentMs);
        expect(lag.isInTime()).toBe(ageMs + answeredAfterMs + silentMs <= MINUTE);
      }),
    );
  });

  it.each([
    [DAY, '24 hours'],
    [90 * MINUTE, '90 minutes'],
    [60 * SECOND, '60 seconds'],
    [61 * SECOND, '61 seconds'],
  ])('says %d ms as %s, what is the matter and where to read on', (limitMs, words) => {
    const { code, message, retryable } = toPublicError(open(limitMs).lag.refusal());
    expect({ code, retryable }).toEqual({ code: 'AUDIT_UNAVAILABLE', retryable: true });
    expect(message).toContain(`within ${words}.`);
    expect(message).toContain('docs/operations/audit.md');
  });
});
