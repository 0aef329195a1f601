import { describe, expect, it } from '@jest/globals';
import { eventually } from '@keymesh/testing';
import { startLoop } from './loop.js';

const FOREVER = 3_600_000;
const options = { idleMs: FOREVER, longestRetryMs: FOREVER, onFailure: () => undefined };

describe('startLoop', () => {
  it('goes on while there is more, then waits for a poke', async () => {
    let left = 3;
    let runs = 0;
    const loop = startLoop(() => {
      runs += 1;
      return Promise.resolve(--left > 0);
    }, options);
    await eventually(() => expect(runs).toBe(3));
    loop.poke();
    await eventually(() => expect(runs).toBe(4));
    await loop.stop();
    expect(runs).toBe(4);
  });

  it('a poke during work is not lost', async () => {
    let runs = 0;
    const loop = startLoop(() => {
      runs += 1;
      if (runs === 1) loop.poke();
      return Promise.resolve(false);
    }, options);
    await eventually(() => expect(runs).toBe(2));
    await loop.stop();
  });

  it('tries again after failures, with growing pauses, and stops at once', async () => {
    const pauses: number[] = [];
    const loop = startLoop(() => Promise.reject(new Error('no')), {
      ...options,
      onFailure: (_error, retryInMs) => pauses.push(retryInMs),
    });
    await eventually(() => expect(pauses).toEqual([100, 200]));
    await loop.stop();
    expect(pauses.length).toBeLessThan(4);
  });
});
