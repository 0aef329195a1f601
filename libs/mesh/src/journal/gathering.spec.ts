import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { makeUtilization, shouldGather } from './gathering.js';

describe('the gathering of a journal pack', () => {
  it('waits for those that are likely to ask again, where the process is busy', () => {
    expect(shouldGather(3, 16, 0.9)).toBe(true);
  });

  it('keeps nobody waiting who asks alone, or when all are there, or while there is CPU to spare', () => {
    expect(shouldGather(1, 1, 1)).toBe(false);
    expect(shouldGather(1, 3, 1)).toBe(false);
    expect(shouldGather(16, 16, 1)).toBe(false);
    expect(shouldGather(3, 16, 0.2)).toBe(false);
  });

  it('is told how busy the process was since it was last asked', async () => {
    const utilization = makeUtilization();
    await wait(50);
    const until = performance.now() + 100;
    while (performance.now() < until);
    await wait(0);
    const busy = utilization();
    await wait(200);
    const idle = utilization();
    expect(busy).toBeGreaterThan(idle);
    for (const share of [busy, idle]) {
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
    }
  });
});
