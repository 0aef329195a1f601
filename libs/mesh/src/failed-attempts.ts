import { HOUR, MINUTE, SECOND, type Clock } from '@keymesh/kernel';

/** How lockouts grow. */
export interface LockoutRule {
  /** Failures before the first lockout. */
  readonly free: number;
  /** The first lockout; each further failure doubles it. */
  readonly firstMs: number;
  readonly longestMs: number;
}

/** A lockout that began. */
export interface Lockout {
  readonly failures: number;
  readonly lockoutMs: number;
}

/** How long attempts are refused after so many failures; 0: not at all. */
export function lockoutMsOf(failures: number, { free, firstMs, longestMs }: LockoutRule): number {
  // Beyond 2^40 the shift would overflow before the limit is taken.
  return failures <= free ? 0 : Math.min(longestMs, firstMs * 2 ** Math.min(40, failures - free - 1));
}

/** Failed attempts to prove an identity, by whoever made them. */
export interface FailedAttempts {
  /** Whether attempts under this key are refused without being looked at. They count for nothing then. */
  isLockedOut(key: string): boolean;
  /** Counts an attempt that was looked at and failed. @returns the lockout that begins with it. */
  failed(key: string): Lockout | undefined;
  /** It has proven itself: what it failed before is forgotten. */
  succeeded(key: string): void;
  /** Keys that are remembered. */
  size(): number;
}

export interface FailedAttemptsOptions extends Partial<LockoutRule> {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** The longest silent one gives way. */
  readonly maxKeys?: number;
  /** After so long without a failure, and without a lockout, a key begins anew. */
  readonly forgetMs?: number;
}

interface Entry {
  failures: number;
  failedAt: number;
  lockedUntil: number;
}

/**
 * Counts failures in memory, bounded, with lockouts that double: after the free attempts, n hours of trying without a pause are looked at
 * about `log2(longest / first) + n hours / longest` times.
 * INVARIANT: what one key fails never locks out another.
 */
export function makeFailedAttempts(options: FailedAttemptsOptions): FailedAttempts {
  const { clock, maxKeys = 10_000, forgetMs = HOUR } = options;
  const { free = 5, firstMs = SECOND, longestMs = 15 * MINUTE } = options;
  // Last failed last.
  const entries = new Map<string, Entry>();
  const find = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    if (clock.monotonic() < Math.max(entry.failedAt, entry.lockedUntil) + forgetMs) return entry;
    entries.delete(key);
    return undefined;
  };
  return {
    isLockedOut: (key) => clock.monotonic() < (find(key)?.lockedUntil ?? -Infinity),
    failed(key) {
      const failures = (find(key)?.failures ?? 0) + 1;
      const lockoutMs = lockoutMsOf(failures, { free, firstMs, longestMs });
      const failedAt = clock.monotonic();
      entries.delete(key);
      entries.set(key, { failures, failedAt, lockedUntil: failedAt + lockoutMs });
      const [oldest] = entries.keys();
      if (entries.size > maxKeys && oldest !== undefined) entries.delete(oldest);
      return lockoutMs === 0 ? undefined : { failures, lockoutMs };
    },
    succeeded: (key) => void entries.delete(key),
    size: () => entries.size,
  };
}
