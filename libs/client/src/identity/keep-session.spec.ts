import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { keepSession } from './keep-session.js';

const MINUTE = 60_000;
const START = Date.parse('2026-11-26T06:00:00Z');
const session = (inMs: number, principal = 'billing') => ({
  principal,
  expiresAt: new Date(Date.now() + inMs).toISOString(),
});

describe('keeping a session', () => {
  beforeEach(() => void jest.useFakeTimers({ now: START }));
  afterEach(() => void jest.useRealTimers());

  it('prolongs it when a third is left, again and again, until it is stopped', async () => {
    let opened = 0;
    const open = () => Promise.resolve(session(60 * MINUTE, ((opened += 1), 'billing')));
    const kept = keepSession(open, session(60 * MINUTE));
    await jest.advanceTimersByTimeAsync(39 * MINUTE);
    expect(opened).toBe(0);
    await jest.advanceTimersByTimeAsync(2 * MINUTE);
    expect(opened).toBe(1);
    await jest.advanceTimersByTimeAsync(80 * MINUTE);
    expect(opened).toBe(3);
    kept.stop();
    await jest.advanceTimersByTimeAsync(200 * MINUTE);
    expect(opened).toBe(3);
  });

  it('goes on trying when that fails, seldomer and seldomer, also after the end', async () => {
    let tries = 0;
    let isAway = true;
    const open = () => {
      tries += 1;
      return isAway ? Promise.reject(new Error('away')) : Promise.resolve(session(60 * MINUTE));
    };
    const kept = keepSession(open, session(3 * MINUTE));
    await jest.advanceTimersByTimeAsync(2 * MINUTE + 100);
    expect(tries).toBe(1);
    await jest.advanceTimersByTimeAsync(10 * MINUTE);
    expect(tries).toBeGreaterThan(15);
    expect(tries).toBeLessThan(30);
    isAway = false;
    await jest.advanceTimersByTimeAsync(MINUTE);
    const after = tries;
    await jest.advanceTimersByTimeAsync(30 * MINUTE);
    expect(tries).toBe(after);
    kept.stop();
  });

  it('does not go on as somebody else', async () => {
    let opened = 0;
    const kept = keepSession(
      () => Promise.resolve(session(MINUTE, ((opened += 1), 'other'))),
      session(MINUTE),
    );
    await jest.advanceTimersByTimeAsync(60 * MINUTE);
    expect(opened).toBe(1);
    kept.stop();
  });
});
