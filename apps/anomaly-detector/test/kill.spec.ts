import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MINUTE } from '@keymesh/kernel';
import { eventually, type ServiceProcess } from '@keymesh/testing';
import type { Baseline, FeedEvent } from '../src/domain/baseline.js';
import { toAnomalyFinding } from '../src/domain/findings.js';
import { scoreBatch } from '../src/domain/score-batch.js';
import type { DetectorSettings } from '../src/domain/scoring.js';
import { startDetectorMesh, type DetectorMesh, type Planted } from './support/detector-mesh.js';

/** The defaults of config.ts. */
const settings: DetectorSettings = {
  alpha: 0.1,
  learningMinutes: 60,
  baselineMinutes: 10,
  rateThreshold: 6,
  rateMinEvents: 60,
  deviationFloor: 5,
  burstDenials: 10,
  burstWindowSeconds: 60,
  mergeSeconds: 300,
};

let on: DetectorMesh;
let service: ServiceProcess | undefined;

beforeAll(async () => {
  on = await startDetectorMesh();
}, 90_000);

afterAll(async () => {
  await service?.kill('SIGTERM');
  await on.stop();
}, 30_000);

/** Forty minutes of three principals, with a spurt and a burst of denials near the end. */
function makePlan(): Planted[] {
  const start = Math.floor(Date.now() / MINUTE) * MINUTE - 120 * MINUTE;
  const planted: Planted[] = [];
  for (let minute = 0; minute < 40; minute += 1) {
    for (const [at, principal] of ['suspect', 'billing', 'busy'].entries()) {
      const usual = [3, 20, 60][at] ?? 1;
      const count = principal === 'suspect' && minute === 30 ? 200 : usual;
      for (let each = 0; each < count; each += 1)
        planted.push({ principal, atMs: start + minute * MINUTE + each * 100 });
    }
  }
  for (let each = 0; each < 30; each += 1)
    planted.push({
      principal: 'billing',
      atMs: start + 39 * MINUTE + each * 500,
      outcome: 'denied',
      code: 'DENIED',
    });
  return planted.sort((a, b) => a.atMs - b.atMs);
}

describe('kill -9 in the middle of the feed', () => {
  // Guarantee: what the detector knows afterwards is exactly what the feed says, each event once.
  it('loses no event, counts none twice, and finds the same', async () => {
    const records = await on.publish(makePlan());
    let kills = 0;
    let midway = 0;
    const counted = async () => (await on.sql('SELECT 1 FROM processed_event')).length;
    for (;;) {
      service = await on.start();
      const before = await counted();
      await eventually(
        async () => expect(await counted()).toBeGreaterThan(Math.min(before, records.length - 1)),
        {
          timeoutMs: 20_000,
        },
      );
      if (kills === 3) break;
      await service.kill('SIGKILL');
      kills += 1;
      if ((await counted()) < records.length) midway += 1;
    }
    expect(midway).toBeGreaterThan(0); // else nothing was interrupted and the run is void
    await eventually(async () => expect(await counted()).toBe(records.length), { timeoutMs: 20_000 });

    const events: FeedEvent[] = records.map((record, logIndex) => ({
      eventId: record.id,
      timeMs: Date.parse(record.time),
      type: record.type,
      outcome: record.outcome,
      code: record.code,
      principal: record.principal,
      credentialId: record.resource?.id,
      logIndex,
    }));
    const expected = scoreBatch(
      events,
      { baselines: new Map(), known: new Set(), open: new Map() },
      settings,
    );
    const baselines = await on.sql<{ principal: string; state: Baseline }>(
      'SELECT principal, state FROM baseline',
    );
    expect(new Map(baselines.map(({ principal, state }) => [principal, state]))).toEqual(expected.baselines);
    const found = await on.sql<{ finding_id: string; occurrences: number; score: number }>(
      'SELECT finding_id, occurrences, score FROM finding ORDER BY finding_id',
    );
    const all = [...expected.raised, ...expected.merged];
    expect(found).toEqual(
      all
        .map(({ findingId, occurrences, score }) => ({ finding_id: findingId, occurrences, score }))
        .sort((a, b) => (a.finding_id < b.finding_id ? -1 : 1)),
    );
    expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(['unusual-rate', 'denied-burst']));
    // Killed between sending and marking it sent, an alert is sent again under the same id: the stream keeps one of them.
    await eventually(async () => expect(await on.keptAlerts()).toBe(all.length));
    expect(new Set(on.alerts.map(({ messageId }) => messageId))).toEqual(
      new Set(all.map((finding) => toAnomalyFinding(finding).findingId)),
    );
  }, 120_000);
});
