import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MINUTE, SECOND } from '@keymesh/kernel';
import type { Baseline, FeedEvent } from './baseline.js';
import type { Finding } from './findings.js';
import { wantsLock } from './response.js';
import { knownKey, openKey, scoreBatch, type BatchMemory, type BatchResult } from './score-batch.js';
import type { DetectorSettings } from './scoring.js';

const settings: DetectorSettings = {
  alpha: 0.1,
  learningMinutes: 5,
  baselineMinutes: 5,
  rateThreshold: 6,
  rateMinEvents: 30,
  deviationFloor: 5,
  burstDenials: 10,
  burstWindowSeconds: 60,
  mergeSeconds: 300,
};
const START = Date.UTC(2026, 10, 22, 12);
const uuid = (number: number): string => `01890000-0000-7000-8000-${String(number).padStart(12, '0')}`;

const makeFeed = () => {
  const events: FeedEvent[] = [];
  const add = (atMs: number, fields: Partial<FeedEvent> = {}): void => {
    events.push({
      eventId: uuid(events.length),
      timeMs: START + atMs,
      type: 'credential.retrieved',
      outcome: 'success',
      code: undefined,
      principal: 'billing',
      credentialId: uuid(1_000_000),
      logIndex: events.length,
      ...fields,
    });
  };
  return { events, add };
};

/** The store's part, in memory: what one batch leaves behind is what the next one knows. */
function scoreInBatches(events: readonly FeedEvent[], sizes: readonly number[]) {
  const baselines = new Map<string, Baseline>();
  const known = new Set<string>();
  const findings = new Map<string, Finding>();
  const open = new Map<string, Finding>();
  const remember = (result: BatchResult): void => {
    for (const [principal, baseline] of result.baselines) baselines.set(principal, baseline);
    for (const { principal, credentialId } of result.newlyKnown) known.add(knownKey(principal, credentialId));
    for (const finding of [...result.raised, ...result.merged]) {
      findings.set(finding.findingId, finding);
      open.set(openKey(finding.principal, finding.kind), finding);
    }
  };
  let at = 0;
  for (let batch = 0; at < events.length; batch += 1) {
    const size = sizes[batch % sizes.length] ?? 1;
    const memory: BatchMemory = { baselines: new Map(baselines), known: new Set(known), open: new Map(open) };
    remember(scoreBatch(events.slice(at, at + size), memory, settings));
    at += size;
  }
  return { findings: [...findings.values()], baselines };
}

describe('the detector', () => {
  it('finds the same rate normal for one principal and unusual for another', () => {
    const { events, add } = makeFeed();
    for (let minute = 0; minute < 20; minute += 1) {
      for (let at = 0; at < 120; at += 1) add(minute * MINUTE + at * 400, { principal: 'busy' });
      add(minute * MINUTE + 1, { principal: 'quiet' });
    }
    for (let at = 0; at < 120; at += 1) {
      add(20 * MINUTE + at * 400, { principal: 'busy' });
      add(20 * MINUTE + at * 400, { principal: 'quiet' });
    }
    const { findings } = scoreInBatches(events, [50]);
    // Raised as soon as the minute is unusual, and once more when it gets grave.
    expect(findings.map(({ kind, principal, severity }) => [kind, principal, severity])).toEqual([
      ['unusual-rate', 'quiet', 'medium'],
      ['unusual-rate', 'quiet', 'high'],
    ]);
  });

  it('makes one finding of a burst of denials, and counts what is merged into it', () => {
    const { events, add } = makeFeed();
    for (let at = 0; at < 40; at += 1) add(at * SECOND, { outcome: 'denied', code: 'DENIED' });
    const { findings } = scoreInBatches(events, [7]);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({
      kind: 'denied-burst',
      severity: 'high',
      occurrences: 31,
      observed: 40,
    });
  });

  it('raises a new finding when the time of merging is over', () => {
    const { events, add } = makeFeed();
    for (const minute of [0, 6])
      for (let at = 0; at < 12; at += 1)
        add(minute * MINUTE + at * SECOND, { outcome: 'denied', code: 'DENIED' });
    expect(scoreInBatches(events, [100]).findings).toHaveLength(2);
  });

  it('does not count refusals that follow from a lock: else a locked principal would stay locked for ever', () => {
    const { events, add } = makeFeed();
    for (let at = 0; at < 60; at += 1) add(at * 100, { outcome: 'denied', code: 'PRINCIPAL_LOCKED' });
    expect(scoreInBatches(events, [100]).findings.filter(({ kind }) => kind === 'denied-burst')).toEqual([]);
  });

  it('notices a first read of a credential after the learning time, and not before', () => {
    const { events, add } = makeFeed();
    add(0, { credentialId: uuid(1) });
    add(MINUTE, { credentialId: uuid(2) });
    add(6 * MINUTE, { credentialId: uuid(1) });
    add(7 * MINUTE, { credentialId: uuid(3) });
    add(8 * MINUTE, { credentialId: uuid(3) });
    const { findings } = scoreInBatches(events, [2]);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({
      kind: 'first-seen-consumer',
      severity: 'low',
      credentialId: uuid(3),
    });
  });

  it("does not score the mesh's own services", () => {
    const { events, add } = makeFeed();
    for (let at = 0; at < 40; at += 1) add(at, { principal: '_rotation', outcome: 'denied', code: 'DENIED' });
    expect(scoreInBatches(events, [100]).findings).toEqual([]);
  });

  // Guarantee: a replayed feed, or one that was processed in other batches after a crash, gives the same findings.
  it('gives the same findings however the feed is cut into batches', () => {
    const event = fc.record({
      gapMs: fc.integer({ min: 0, max: 40_000 }),
      principal: fc.constantFrom('a', 'b', 'c'),
      outcome: fc.constantFrom('success' as const, 'denied' as const),
      credential: fc.integer({ min: 0, max: 4 }),
      repeat: fc.integer({ min: 1, max: 50 }),
    });
    const sizes = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), sizes, sizes, (parts, one, other) => {
        const { events, add } = makeFeed();
        let now = 0;
        for (const { gapMs, principal, outcome, credential, repeat } of parts) {
          now += gapMs;
          for (let at = 0; at < repeat; at += 1)
            add(now, { principal, outcome, credentialId: uuid(credential) });
        }
        expect(scoreInBatches(events, one)).toEqual(scoreInBatches(events, other));
      }),
      { numRuns: 200 },
    );
  });

  // Guarantee: "per principal" means that nobody's baseline moves by what somebody else does.
  it('judges each principal by its own past only', () => {
    const event = fc.record({
      gapMs: fc.nat(20_000),
      mine: fc.boolean(),
      denied: fc.boolean(),
      repeat: fc.nat(40),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (parts) => {
        const { events, add } = makeFeed();
        let now = 0;
        for (const { gapMs, mine, denied, repeat } of parts) {
          now += gapMs;
          for (let at = 0; at < repeat; at += 1)
            add(now, { principal: mine ? 'mine' : 'other', outcome: denied ? 'denied' : 'success' });
        }
        const mine = (all: ReturnType<typeof scoreInBatches>) =>
          all.findings.filter(({ principal }) => principal === 'mine');
        const alone = events.filter(({ principal }) => principal === 'mine');
        expect(mine(scoreInBatches(events, [13]))).toEqual(mine(scoreInBatches(alone, [13])));
      }),
      { numRuns: 200 },
    );
  });

  it('keeps an earlier minute closed: a late event moves no baseline', () => {
    const { events, add } = makeFeed();
    for (let minute = 0; minute < 10; minute += 1) add(minute * MINUTE);
    const before = scoreInBatches(events, [100]).baselines.get('billing');
    for (let at = 0; at < 500; at += 1) add(2 * MINUTE + at);
    const after = scoreInBatches(events, [100]);
    expect(after.findings).toEqual([]);
    expect(after.baselines.get('billing')?.rate).toEqual(before?.rate);
  });

  it('raises what is a finding by itself, also about a service of the mesh, merges repeats, and locks nobody for it', () => {
    const { events, add } = makeFeed();
    const refused = { type: 'policy-bundle.refused', outcome: 'failure', principal: '_vault' } as const;
    add(0, refused);
    add(MINUTE, refused);
    add(10 * MINUTE, refused);
    add(11 * MINUTE, { ...refused, principal: '_audit' });
    add(12 * MINUTE, { type: 'policy-bundle.attested', principal: '_vault' });
    for (const sizes of [[1], [5]]) {
      const { baselines, findings } = scoreInBatches(events, sizes);
      expect(
        findings.map(({ kind, severity, principal, occurrences }) => [
          kind,
          severity,
          principal,
          occurrences,
        ]),
      ).toEqual([
        ['policy-bundle-refused', 'high', '_vault', 2],
        ['policy-bundle-refused', 'high', '_vault', 1],
        ['policy-bundle-refused', 'high', '_audit', 1],
      ]);
      expect(findings.some(wantsLock)).toBe(false);
      expect([...baselines.keys()]).toEqual([]);
    }
  });
});
