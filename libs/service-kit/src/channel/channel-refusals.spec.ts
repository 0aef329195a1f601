import { describe, expect, it } from '@jest/globals';
import type { AuditRecord } from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';
import { makeTestClock } from '@keymesh/testing';
import { makeMetrics } from '../telemetry/metrics.js';
import { makeChannelRefusals } from './channel-refusals.js';

function setUp() {
  const clock = makeTestClock();
  const records: AuditRecord[] = [];
  const stops: (() => unknown)[] = [];
  const metrics = makeMetrics('vault');
  const refusals = makeChannelRefusals({
    name: 'vault',
    instance: 'spec',
    clock,
    metrics,
    logger: { warn: () => undefined } as never,
    journal: { record: (made) => Promise.resolve(void records.push(made)) },
    onShutdown: (_name, stop) => void stops.push(stop),
  });
  return { clock, records, metrics, refusals, stop: () => stops.forEach((stop) => stop()) };
}
const standsFor = ({ facts }: AuditRecord): number => Math.max(1, Number(facts?.summed ?? 1));

describe('refused channels', () => {
  it('are all accounted for, in few records, and count as denials of nobody', () => {
    const { records, refusals, stop } = setUp();
    for (let index = 0; index < 1_000; index += 1) refusals.note('billing');
    refusals.note('other');
    stop();
    expect(records).toHaveLength(3);
    expect(records.map(standsFor).reduce((a, b) => a + b, 0)).toBe(1_001);
    for (const record of records)
      expect(record).toMatchObject({ type: 'channel.refused', outcome: 'failure', service: 'vault' });
  });

  it('of a hundred thousand askers are held in bounded memory, and in few records', () => {
    const { records, refusals, stop } = setUp();
    for (let index = 0; index < 100_000; index += 1) {
      refusals.note(`p-${String(index)}`);
      refusals.attempts.failed(`p-${String(index)}`);
    }
    stop();
    expect(records.length).toBeLessThan(510);
    expect(records.map(standsFor).reduce((a, b) => a + b, 0)).toBe(100_000);
    expect(refusals.attempts.size()).toBe(10_000);
  });

  it('lock an asker out after twenty set-ups, for longer and longer up to a minute, and meter it', async () => {
    const { clock, metrics, refusals, stop } = setUp();
    const lookedAt: number[] = [];
    while (clock.monotonic() < 600 * SECOND) {
      if (!refusals.attempts.isLockedOut('guesser')) {
        lookedAt.push(clock.monotonic());
        refusals.attempts.failed('guesser');
      }
      clock.advance(100);
    }
    stop();
    expect(lookedAt.length).toBeLessThan(20 + 7 + 10);
    expect(refusals.attempts.isLockedOut('billing')).toBe(false);
    const text = await metrics.registry.metrics();
    expect(text).toMatch(/keymesh_channel_lockouts_total\{.*\} [1-9]/);
    expect(text).toMatch(/keymesh_channel_failing_askers\{.*\} 1/);
  });
});
