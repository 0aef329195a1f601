import type { Clock } from '@keymesh/kernel';

/** What has been invalidated since Postgres was last asked. Keys are whatever invalidations name. */
export interface DirtyKeys {
  invalidate(keys: readonly string[]): void;
  /** As invalidate, and they were taken away: deactivated, destroyed, revoked. */
  withdraw(keys: readonly string[]): void;
  /** Anything may have changed, and been taken away. */
  withdrawAll(): void;
  /** Postgres has answered a question that began then: what was invalidated before it is clean. */
  answered(startedAt: number): void;
  /** When the last of these keys became dirty; -Infinity when none is. */
  since(keys: readonly string[]): number;
  allSince(): number;
  /** Whether what was read at `readAt` must not be shown of these keys even as stale. */
  areWithdrawn(keys: readonly string[], readAt: number): boolean;
  list(): readonly string[];
}

/** Makes the list, empty. */
export function makeDirtyKeys(clock: Clock): DirtyKeys {
  const dirtySince = new Map<string, number>();
  const withdrawn = new Set<string>();
  let allDirtySince = -Infinity;
  const invalidate = (keys: readonly string[]): void => {
    for (const key of keys) dirtySince.set(key, clock.monotonic());
  };
  return {
    invalidate,
    withdraw(keys) {
      invalidate(keys);
      for (const key of keys) withdrawn.add(key);
    },
    withdrawAll: () => void (allDirtySince = clock.monotonic()),
    answered(startedAt) {
      for (const [key, since] of dirtySince) {
        if (since >= startedAt) continue;
        dirtySince.delete(key);
        withdrawn.delete(key);
      }
    },
    since: (keys) =>
      dirtySince.size === 0
        ? allDirtySince
        : Math.max(allDirtySince, ...keys.map((key) => dirtySince.get(key) ?? -Infinity)),
    allSince: () => allDirtySince,
    areWithdrawn: (keys, readAt) => readAt <= allDirtySince || keys.some((key) => withdrawn.has(key)),
    list: () => [...dirtySince.keys()],
  };
}
