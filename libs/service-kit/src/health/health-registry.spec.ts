import { describe, expect, it, jest } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { makeHealthRegistry } from './health-registry.js';

describe('the health registry', () => {
  it('is as well as its worst check', async () => {
    const health = makeHealthRegistry();
    expect(await health.report()).toEqual({ status: 'ok', checks: {} });
    health.register('a', () => ({ status: 'ok', facts: { version: 3 } }));
    health.register('b', () => ({ status: 'degraded' }));
    expect((await health.report()).status).toBe('degraded');
    health.register('c', () => Promise.reject(failure('KMS_UNAVAILABLE')));
    expect(await health.report()).toEqual({
      status: 'down',
      checks: {
        a: { status: 'ok', facts: { version: 3 } },
        b: { status: 'degraded' },
        c: { status: 'down', code: 'KMS_UNAVAILABLE' },
      },
    });
  });

  it('does not wait for a check that hangs', async () => {
    jest.useFakeTimers();
    const health = makeHealthRegistry();
    health.register('hangs', () => new Promise(() => undefined));
    const report = health.report();
    await jest.advanceTimersByTimeAsync(1_000);
    expect((await report).checks.hangs).toEqual({ status: 'down', code: 'DEADLINE_EXCEEDED' });
    jest.useRealTimers();
  });
});
