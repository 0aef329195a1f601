import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { clipped, EMPTY_EWMA, foldMinute, zScore, type Ewma } from './ewma.js';
import { scoreDenials, scoreFirstSeen, scoreRate, type DetectorSettings } from './scoring.js';

const settings: DetectorSettings = {
  alpha: 0.1,
  learningMinutes: 60,
  baselineMinutes: 10,
  rateThreshold: 6,
  rateMinEvents: 30,
  deviationFloor: 5,
  burstDenials: 10,
  burstWindowSeconds: 60,
  mergeSeconds: 300,
};

const counts = fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 10, maxLength: 60 });
const averageOf = (minutes: readonly number[]): Ewma =>
  minutes.reduce((average, count) => foldMinute(average, count, settings.alpha), EMPTY_EWMA);

describe('the moving average', () => {
  it('is the plain mean and variance while few minutes are known', () => {
    const average = averageOf([2, 4, 9]);
    expect(average.mean).toBeCloseTo(5, 10);
    expect(average.variance).toBeCloseTo((9 + 1 + 16) / 3, 10);
  });

  it('agrees with the definition: weighted mean and variance with geometric weights', () => {
    fc.assert(
      fc.property(counts, (minutes) => {
        const average = averageOf(minutes);
        // Straight from the definition, as a second way to the same numbers.
        let weights: number[] = [];
        minutes.forEach((_count, at) => {
          const weight = Math.max(settings.alpha, 1 / (at + 1));
          weights = [...weights.map((w) => w * (1 - weight)), weight];
        });
        const mean = minutes.reduce((sum, count, at) => sum + count * (weights[at] ?? 0), 0);
        const variance = minutes.reduce(
          (sum, count, at) => sum + (count - mean) ** 2 * (weights[at] ?? 0),
          0,
        );
        expect(average.mean).toBeCloseTo(mean, 5);
        expect(average.variance / (1 + variance)).toBeCloseTo(variance / (1 + variance), 5);
      }),
    );
  });

  it('never lets one burst move the mean by more than its clipped share', () => {
    fc.assert(
      fc.property(counts, fc.integer({ min: 0, max: 1e9 }), (minutes, burst) => {
        const before = averageOf(minutes);
        const count = clipped(burst, before, settings.deviationFloor, settings.rateThreshold);
        expect(zScore(count, before, settings.deviationFloor)).toBeLessThanOrEqual(
          settings.rateThreshold + 1e-9,
        );
        expect(count).toBeLessThanOrEqual(burst);
      }),
    );
  });
});

describe('the score of a rate', () => {
  it('grows with the rate, for every baseline', () => {
    fc.assert(
      fc.property(
        counts,
        fc.integer({ min: 0, max: 1e5 }),
        fc.integer({ min: 0, max: 1e5 }),
        (past, a, b) => {
          const average = averageOf(past);
          const [low, high] = [
            scoreRate(Math.min(a, b), average, settings),
            scoreRate(Math.max(a, b), average, settings),
          ];
          expect(low.score).toBeLessThanOrEqual(high.score);
          expect(low.fires && !high.fires).toBe(false);
          expect(high.score).toBeLessThanOrEqual(100);
          expect(low.score).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });

  it('is normal for whom it is usual, and a finding for whom it is not', () => {
    const busy = averageOf(Array.from({ length: 30 }, (_, at) => 580 + ((at * 17) % 40)));
    const quiet = averageOf(Array.from({ length: 30 }, (_, at) => 2 + (at % 3)));
    expect(scoreRate(600, busy, settings).fires).toBe(false);
    expect(scoreRate(600, quiet, settings).fires).toBe(true);
  });

  it('fires from a score of 50 on', () => {
    fc.assert(
      fc.property(counts, fc.integer({ min: 30, max: 1e5 }), (past, events) => {
        const { fires, score } = scoreRate(events, averageOf(past), settings);
        expect(fires ? score >= 50 : score <= 50).toBe(true);
      }),
    );
  });

  it('says nothing before the baseline rests on enough minutes, and nothing of small numbers', () => {
    expect(scoreRate(10_000, averageOf([1, 1, 1]), settings)).toMatchObject({ fires: false, score: 0 });
    expect(scoreRate(29, averageOf(Array<number>(20).fill(0)), settings).fires).toBe(false);
  });

  it('does not find one event more unusual of a principal that is as regular as a clock', () => {
    expect(scoreRate(101, averageOf(Array<number>(500).fill(100)), settings).fires).toBe(false);
  });
});

describe('the score of denials', () => {
  it('grows with the denials, and falls with how usual they are', () => {
    fc.assert(
      fc.property(
        counts,
        fc.integer({ min: 0, max: 1e4 }),
        fc.integer({ min: 0, max: 1e4 }),
        (past, a, b) => {
          const average = averageOf(past);
          const [low, high] = [
            scoreDenials(Math.min(a, b), average, settings),
            scoreDenials(Math.max(a, b), average, settings),
          ];
          expect(low.score).toBeLessThanOrEqual(high.score);
          expect(scoreDenials(a, average, settings).score).toBeLessThanOrEqual(
            scoreDenials(a, EMPTY_EWMA, settings).score,
          );
        },
      ),
    );
  });

  it('fires at the configured number for whom denials are unknown, and later for whom they are daily bread', () => {
    expect(scoreDenials(9, EMPTY_EWMA, settings).fires).toBe(false);
    expect(scoreDenials(10, EMPTY_EWMA, settings).fires).toBe(true);
    expect(scoreDenials(25, averageOf(Array<number>(60).fill(20)), settings).fires).toBe(false);
    expect(scoreDenials(200, averageOf(Array<number>(60).fill(20)), settings).fires).toBe(true);
  });
});

describe('the score of a first read', () => {
  it('grows with how long nothing was new', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(1e6), (a, b) => {
        const score = (reads: number) => scoreFirstSeen(reads, 1e9, settings).score;
        expect(score(Math.min(a, b))).toBeLessThanOrEqual(score(Math.max(a, b)));
      }),
    );
  });

  it('is quiet while the principal is new', () => {
    expect(scoreFirstSeen(100, 59 * 60_000, settings).fires).toBe(false);
    expect(scoreFirstSeen(100, 60 * 60_000, settings).fires).toBe(true);
  });
});
