import { describe, expect, it } from '@jest/globals';
import { makeTestClock } from '@keymesh/testing';
import { makeRateLimit } from './rate-limit.js';

describe('the rate limit', () => {
  it('admits a burst, then the rate, for each principal by itself', () => {
    const clock = makeTestClock();
    const limit = makeRateLimit({ requestsPerSecond: 10, burst: 3, clock });
    const admitted = (principal: string, times: number) =>
      Array.from({ length: times }, () => limit.admit(principal)).filter(Boolean).length;
    expect(admitted('a', 5)).toBe(3);
    expect(admitted('b', 1)).toBe(1);
    clock.advance(200);
    expect(admitted('a', 5)).toBe(2);
    clock.advance(60_000);
    expect(admitted('a', 5)).toBe(3);
  });

  it('counts a batch as what is in it: one passes as long as anything is left, and the next waits the longer', () => {
    const clock = makeTestClock();
    const limit = makeRateLimit({ requestsPerSecond: 10, burst: 3, clock });
    expect(limit.admit('a', 13)).toBe(true);
    clock.advance(1_000);
    expect(limit.admit('a')).toBe(false);
    clock.advance(200);
    expect(limit.admit('a')).toBe(true);
  });

  it('sums up what it refused, once', () => {
    const limit = makeRateLimit({ requestsPerSecond: 1, burst: 1, clock: makeTestClock() });
    for (let round = 0; round < 4; round += 1) limit.admit('a');
    limit.admit('b');
    expect(limit.takeRefused()).toEqual([{ principal: 'a', requests: 3 }]);
    expect(limit.takeRefused()).toEqual([]);
  });
});
