import { SECOND, MINUTE, type Clock } from '@keymesh/kernel';
import { NOT_ATTESTED } from '@keymesh/policy-engine';
import type { CurrentPolicy } from './policy-holder.js';

/**
 * Why nobody knows whether the bundle that decides is the newest: the policy service does not answer (or somebody between keeps its answers
 * back), it has a newer one that does not come, or it says of this version something else than we have.
 */
export type Doubt = 'silent' | 'held-back' | 'differs';

/** Told once at the beginning and once at the end of each doubt. `ageMs`: since the bundle was last vouched for. */
export type FreshnessNews =
  | { readonly kind: 'unattested'; readonly because: Doubt; readonly ageMs: number }
  | { readonly kind: 'attested'; readonly ageMs: number };

/** A bundle that nobody has vouched for is alarming after this long; one of which a newer is known to exist, sooner. */
const ALARM_MS = MINUTE;
const HELD_BACK_ALARM_MS = 10 * SECOND;
/** Clocks are set: a time that is ahead by less counts as now, one that is further ahead not at all. */
const MAX_AHEAD_MS = MINUTE;

export interface FreshnessOptions {
  readonly clock: Clock;
  /** From this age on nothing is permitted. */
  readonly maxAgeMs: number;
  /** What is remembered of before the start, by the wall clock; undefined: nothing, so the age counts from now. */
  readonly attestedAtMs: number | undefined;
  readonly onNews: (news: FreshnessNews) => void;
}

/** How long ago the policy service vouched for the bundle that decides. By the monotonic clock within a process. */
export interface Freshness {
  ageMs(): number;
  /** INVARIANT: then every decision is a forbid. */
  isTooOld(): boolean;
  /** Why it is alarming now; undefined: it is not. */
  alarm(): Doubt | undefined;
  /** It was vouched for. @param askedAt by `clock.monotonic()`: what was answered was true then, or later. */
  attest(askedAt: number): void;
  /** It was asked for and was not. */
  doubt(because: Doubt): void;
}

export function makeFreshness({ clock, maxAgeMs, attestedAtMs, onNews }: FreshnessOptions): Freshness {
  const startedAt = clock.monotonic();
  let attestedAt = startedAt - rememberedAge(clock, maxAgeMs, attestedAtMs);
  let doubted: { readonly because: Doubt; readonly since: number } | undefined;
  let alarmed: Doubt | undefined;
  const ageMs = (): number => clock.monotonic() - attestedAt;
  // A mesh that was off for longer than that is not in doubt before it had the time to ask.
  const isAlarming = (): boolean =>
    clock.monotonic() - Math.max(attestedAt, startedAt) >= ALARM_MS ||
    (doubted?.because === 'held-back' && clock.monotonic() - doubted.since >= HELD_BACK_ALARM_MS);
  return {
    ageMs,
    isTooOld: () => ageMs() >= maxAgeMs,
    alarm: () => alarmed,
    attest(askedAt) {
      const wasMs = ageMs();
      attestedAt = Math.max(attestedAt, askedAt);
      doubted = undefined;
      if (alarmed !== undefined) onNews({ kind: 'attested', ageMs: wasMs });
      alarmed = undefined;
    },
    doubt(because) {
      // Silence does not make better what is known to be wrong.
      if (doubted === undefined || (because !== doubted.because && because !== 'silent'))
        doubted = { because, since: clock.monotonic() };
      if (alarmed !== undefined || !isAlarming()) return;
      alarmed = doubted.because;
      onNews({ kind: 'unattested', because: alarmed, ageMs: ageMs() });
    },
  };
}

function rememberedAge(clock: Clock, maxAgeMs: number, attestedAtMs: number | undefined): number {
  if (attestedAtMs === undefined) return 0;
  const ageMs = clock.now() - attestedAtMs;
  return ageMs < -MAX_AHEAD_MS ? maxAgeMs : Math.max(0, ageMs);
}

/** The same policy, which permits nothing while its bundle is too old. */
export function denyWhenTooOld(policy: CurrentPolicy, freshness: Pick<Freshness, 'isTooOld'>): CurrentPolicy {
  const { engine, version } = policy;
  const decide: typeof engine.decide = (request) =>
    freshness.isTooOld()
      ? { effect: 'forbid', bundleVersion: version, determiningPolicies: [], errors: [NOT_ATTESTED] }
      : engine.decide(request);
  return { ...policy, engine: { ...engine, decide } };
}
