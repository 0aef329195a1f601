import type { FindingKind } from '@keymesh/contracts';
import { clipped, EMPTY_EWMA, foldMinute, type Ewma } from './ewma.js';
import { scoreDenials, scoreFirstSeen, scoreRate, type DetectorSettings, type Score } from './scoring.js';

/** One event of the audit feed, as far as the detector reads it. */
export interface FeedEvent {
  readonly eventId: string;
  /** When it happened, by its record: milliseconds. Decides the minute; the time of arrival decides nothing. */
  readonly timeMs: number;
  /** `<noun>.<past>`. */
  readonly type: string;
  readonly outcome: 'success' | 'denied' | 'failure';
  readonly code: string | undefined;
  readonly principal: string | undefined;
  readonly credentialId: string | undefined;
  readonly logIndex: number | undefined;
}

/** What is known of one principal. All of it follows from its events alone. */
export interface Baseline {
  readonly v: 1;
  readonly firstSeenMs: number;
  /** The open minute, in minutes since the epoch, and what it has so far. */
  readonly minute: number;
  readonly events: number;
  readonly denials: number;
  readonly rate: Ewma;
  readonly denialRate: Ewma;
  /** Denials by second since the epoch, within the burst window. */
  readonly recentDenials: readonly (readonly [second: number, count: number])[];
  readonly readsSinceNew: number;
}

/** A conspicuous measurement; findings are made of these. */
export interface Signal {
  readonly kind: FindingKind;
  readonly principal: string;
  readonly credentialId: string | null;
  readonly event: FeedEvent;
  readonly score: Score;
}

const minuteOf = (timeMs: number): number => Math.floor(timeMs / 60_000);

export const newBaseline = (timeMs: number): Baseline => ({
  v: 1,
  firstSeenMs: timeMs,
  minute: minuteOf(timeMs),
  events: 0,
  denials: 0,
  rate: EMPTY_EWMA,
  denialRate: EMPTY_EWMA,
  recentDenials: [],
  readsSinceNew: 0,
});

/** A refusal that follows from a lock says nothing new: counting it would keep a locked principal locked for ever. */
export const isDenial = ({ outcome, code }: FeedEvent): boolean =>
  outcome === 'denied' && code !== 'PRINCIPAL_LOCKED';

/** Whether a credential's value went out. */
export const isRead = ({ type, outcome, credentialId }: FeedEvent): boolean =>
  type === 'credential.retrieved' && outcome === 'success' && credentialId !== undefined;

/**
 * Folds one event into its principal's baseline and says what is conspicuous about it. Pure and deterministic: the same events in
 * the same order give the same signals, whenever they arrive.
 * Only minutes with events are folded in, so a job that runs once an hour is measured by its own runs and not by the silence between.
 * @param before undefined for a principal never seen. @param isNewCredential whether it has never read this credential before.
 */
export function observe(
  before: Baseline | undefined,
  event: FeedEvent & { readonly principal: string },
  isNewCredential: boolean,
  settings: DetectorSettings,
): { readonly baseline: Baseline; readonly signals: readonly Signal[] } {
  const opened = openMinute(before ?? newBaseline(event.timeMs), event.timeMs, settings);
  const counted = count(opened, event, settings);
  const signals: Signal[] = [];
  const raise = (kind: FindingKind, score: Score, credentialId: string | null = null): void => {
    if (score.fires) signals.push({ kind, principal: event.principal, credentialId, event, score });
  };
  if (isRead(event) && isNewCredential) {
    const score = scoreFirstSeen(opened.readsSinceNew, event.timeMs - opened.firstSeenMs, settings);
    raise('first-seen-consumer', score, event.credentialId ?? null);
  }
  // A late event belongs to a minute that is closed: it is not counted in the open one, and no rate is judged by it.
  if (minuteOf(event.timeMs) === counted.minute)
    raise('unusual-rate', scoreRate(counted.events, counted.rate, settings));
  if (isDenial(event)) {
    const denials = denialsUntil(counted, event.timeMs, settings);
    raise('denied-burst', scoreDenials(denials, counted.denialRate, settings));
  }
  return { baseline: afterRead(counted, event, isNewCredential), signals };
}

/** Closes the open minute when the event is of a later one. An earlier one leaves it as it is. */
function openMinute(baseline: Baseline, timeMs: number, settings: DetectorSettings): Baseline {
  const minute = minuteOf(timeMs);
  if (minute <= baseline.minute) return baseline;
  return {
    ...baseline,
    minute,
    events: 0,
    denials: 0,
    rate: close(baseline.rate, baseline.events, settings),
    denialRate: close(baseline.denialRate, baseline.denials, settings),
  };
}

function close(average: Ewma, minuteCount: number, settings: DetectorSettings): Ewma {
  const known = average.minutes >= settings.baselineMinutes;
  const counted = known
    ? clipped(minuteCount, average, settings.deviationFloor, settings.rateThreshold)
    : minuteCount;
  return foldMinute(average, counted, settings.alpha);
}

function count(baseline: Baseline, event: FeedEvent, settings: DetectorSettings): Baseline {
  const denied = isDenial(event) ? 1 : 0;
  const inOpenMinute = minuteOf(event.timeMs) === baseline.minute ? 1 : 0;
  return {
    ...baseline,
    events: baseline.events + inOpenMinute,
    denials: baseline.denials + inOpenMinute * denied,
    recentDenials:
      denied === 1 ? addDenial(baseline.recentDenials, event.timeMs, settings) : baseline.recentDenials,
  };
}

function addDenial(
  recent: Baseline['recentDenials'],
  timeMs: number,
  { burstWindowSeconds }: DetectorSettings,
): Baseline['recentDenials'] {
  const second = Math.floor(timeMs / 1000);
  const counts = new Map(recent.map(([at, number]) => [at, number]));
  counts.set(second, (counts.get(second) ?? 0) + 1);
  const newest = Math.max(...counts.keys());
  return [...counts].filter(([at]) => at > newest - burstWindowSeconds).sort(([a], [b]) => a - b);
}

const denialsUntil = (
  { recentDenials }: Baseline,
  timeMs: number,
  { burstWindowSeconds }: DetectorSettings,
): number => {
  const until = Math.floor(timeMs / 1000);
  return recentDenials
    .filter(([at]) => at <= until && at > until - burstWindowSeconds)
    .reduce((sum, [, number]) => sum + number, 0);
};

function afterRead(baseline: Baseline, event: FeedEvent, isNewCredential: boolean): Baseline {
  if (!isRead(event)) return baseline;
  return { ...baseline, readsSinceNew: isNewCredential ? 0 : baseline.readsSinceNew + 1 };
}
