import type { Severity } from '@keymesh/contracts';
import { deviationOf, zScore, type Ewma } from './ewma.js';

/** Thresholds of the detector; config.ts says what each is for and its default. */
export interface DetectorSettings {
  /** Weight of the newest minute in a principal's baseline. */
  readonly alpha: number;
  /** Minutes after a principal's first event in which its first reads of credentials are expected. */
  readonly learningMinutes: number;
  /** Active minutes that a baseline needs before rates are judged by it. */
  readonly baselineMinutes: number;
  /** Deviations above the mean from which a rate is unusual. */
  readonly rateThreshold: number;
  /** Events in a minute below which no rate is unusual. */
  readonly rateMinEvents: number;
  /** Least deviation, in events per minute. */
  readonly deviationFloor: number;
  /** Denials within the window that are a burst for a principal that is usually not denied. */
  readonly burstDenials: number;
  readonly burstWindowSeconds: number;
  /** Signals of one kind and principal within this time are one finding. */
  readonly mergeSeconds: number;
}

/** A measurement with its verdict. A "no" is data. */
export interface Score {
  readonly fires: boolean;
  /** 0 to 100; 50 is where it fires. Grows with what was observed. */
  readonly score: number;
  readonly severity: Severity;
  readonly observed: number;
  /** What this principal's own past says to expect. */
  readonly baseline: number;
}

/** 0 at nothing, 50 at the threshold, towards 100 beyond: 100·(1 − 2^(−ratio)). Strictly monotone until it rounds to 100. */
const saturating = (ratio: number): number => Math.round(100 * (1 - 2 ** -Math.max(0, ratio)));

/**
 * Is this many events in one minute unusual for this principal? z-score against its own average; silent until the average
 * rests on enough minutes, and below an absolute count.
 */
export function scoreRate(eventsInMinute: number, average: Ewma, settings: DetectorSettings): Score {
  const z = zScore(eventsInMinute, average, settings.deviationFloor);
  const known = average.minutes >= settings.baselineMinutes;
  return {
    fires: known && eventsInMinute >= settings.rateMinEvents && z >= settings.rateThreshold,
    score: known ? saturating(z / settings.rateThreshold) : 0,
    severity: z >= 3 * settings.rateThreshold ? 'high' : 'medium',
    observed: eventsInMinute,
    baseline: average.mean,
  };
}

/**
 * Are these denials a burst? The limit is the configured number, or what this principal's own denials per minute reach with
 * `rateThreshold` deviations once enough minutes are known, whichever is more: who is denied all the time by its nature needs
 * more to be conspicuous, and a first burst does not excuse the second one.
 * @param denials within the last `burstWindowSeconds`.
 */
export function scoreDenials(denials: number, average: Ewma, settings: DetectorSettings): Score {
  const perWindow = settings.burstWindowSeconds / 60;
  const known = average.minutes >= settings.baselineMinutes;
  const expected = known ? average.mean * perWindow : 0;
  const usual = expected + settings.rateThreshold * deviationOf(average, 0) * perWindow;
  const limit = known ? Math.max(settings.burstDenials, usual) : settings.burstDenials;
  return {
    fires: denials >= limit,
    score: saturating(denials / limit),
    severity: 'high',
    observed: denials,
    baseline: expected,
  };
}

/**
 * How surprising is it that this read is of a credential that the principal never read? By the rule of succession: after n reads
 * without a new one, the next is new with probability 1/(n + 2); the score is 100·(1 − 2/(n + 2)).
 * SOURCE: Laplace, "Essai philosophique sur les probabilités" (1814); E. T. Jaynes, "Probability Theory" (2003), section 18.
 * @param readsSinceNew reads since the last new credential, ≥ 0. @param ageMs since the principal's first event.
 */
export function scoreFirstSeen(readsSinceNew: number, ageMs: number, settings: DetectorSettings): Score {
  const probability = 1 / (readsSinceNew + 2);
  return {
    fires: ageMs >= settings.learningMinutes * 60_000,
    score: Math.round(100 * (1 - 2 * probability)),
    severity: 'low',
    observed: 1,
    baseline: probability,
  };
}
