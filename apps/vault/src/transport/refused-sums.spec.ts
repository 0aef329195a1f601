import { describe, expect, it } from '@jest/globals';
import type { AuditRecord } from '@keymesh/contracts';
import { makeTestClock } from '@keymesh/testing';
import { makeRateLimit } from '../domain/rate-limit.js';
import { recordRefusedSums } from './refused-sums.js';

describe('what the rate limit refused', () => {
  it('is recorded as one sum for each principal, also what was refused just before the end', async () => {
    const clock = makeTestClock();
    const limit = makeRateLimit({ requestsPerSecond: 1, burst: 1, clock });
    const records: AuditRecord[] = [];
    const stops: (() => Promise<void> | void)[] = [];
    recordRefusedSums(
      {
        journal: { record: (record: AuditRecord) => Promise.resolve(void records.push(record)) } as never,
        instance: 'spec',
        clock,
        logger: { warn: () => undefined } as never,
        onShutdown: (_what, stop) => void stops.push(stop),
      },
      limit,
    );
    for (let request = 0; request < 6; request += 1) limit.admit('greedy');
    await stops[0]?.();
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({
      type: 'request.refused',
      outcome: 'denied',
      code: 'RATE_LIMITED',
      principal: 'greedy',
      facts: { requests: 5 },
    });
  });
});
