import { SECOND, type Clock } from '@keymesh/kernel';

export interface RateLimitOptions {
  /** What a principal may ask for in the long run. */
  readonly requestsPerSecond: number;
  /** What it may ask for at once after a pause. */
  readonly burst: number;
  readonly clock: Clock;
}

/** What was refused of one principal since the sums were last taken. */
export interface RefusedSum {
  readonly principal: string;
  readonly requests: number;
}

export interface RateLimit {
  /**
   * Takes one from the principal's bucket, or as many as there are things in the request: then it may go below zero, and the principal
   * waits the longer. @returns false when it is empty.
   */
  admit(principal: string, things?: number): boolean;
  /** What was refused since the last call, and forgets it. */
  takeRefused(): readonly RefusedSum[];
}

interface Bucket {
  tokens: number;
  filledAt: number;
}

// Principals come from the directory, so there are not many; buckets that have been full again for a while are forgotten.
const SWEEP_EVERY_MS = 60 * SECOND;

/** A token bucket for each principal: it stands before the journal, so that one principal cannot fill the audit log. */
export function makeRateLimit({ requestsPerSecond, burst, clock }: RateLimitOptions): RateLimit {
  const buckets = new Map<string, Bucket>();
  const refused = new Map<string, number>();
  let sweptAt = clock.monotonic();

  const sweep = (now: number): void => {
    if (now - sweptAt < SWEEP_EVERY_MS) return;
    sweptAt = now;
    for (const [principal, { tokens, filledAt }] of buckets)
      if (tokens + ((now - filledAt) / SECOND) * requestsPerSecond >= burst) buckets.delete(principal);
  };

  return {
    admit(principal, things = 1) {
      const now = clock.monotonic();
      sweep(now);
      const bucket = buckets.get(principal) ?? { tokens: burst, filledAt: now };
      buckets.set(principal, bucket);
      bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.filledAt) / SECOND) * requestsPerSecond);
      bucket.filledAt = now;
      if (bucket.tokens >= 1) {
        bucket.tokens -= things;
        return true;
      }
      refused.set(principal, (refused.get(principal) ?? 0) + 1);
      return false;
    },
    takeRefused() {
      const sums = [...refused].map(([principal, requests]) => ({ principal, requests }));
      refused.clear();
      return sums;
    },
  };
}
