import { failure } from '@keymesh/contracts';
import { SECOND, type Clock } from '@keymesh/kernel';
import { makeDirtyKeys } from './dirty-keys.js';

/** How long an answer of Postgres counts as current: an instance serves from memory only within it. */
export const CURRENCY_MS = SECOND;
/** A read waits this long for Postgres, then it counts as away. */
const AWAY_AFTER_MS = 750;
/** After a failure reads go on at once with what is known; the next attempt is the poll's. */
const AWAY_FOR_MS = CURRENCY_MS / 4;

export interface CurrencyOptions {
  /** Takes in from Postgres what has changed. @throws when Postgres is away */
  readonly refresh: () => Promise<void>;
  readonly clock: Clock;
  readonly staleForSeconds: number;
  readonly onRefresh?: ((outcome: 'success' | 'failure', durationMs: number) => void) | undefined;
}

/** Whether what is in memory may be answered from. Keys are whatever invalidations name. */
export interface Currency {
  /** Makes memory current for these keys. @returns whether it is stale instead. @throws STORE_UNAVAILABLE when it is too old */
  settle(keys: readonly string[]): Promise<boolean>;
  isCurrent(keys: readonly string[]): boolean;
  /** While Postgres is away: whether what is known of these keys may still be served. */
  mayServeStale(keys: readonly string[]): boolean;
  /** Asks Postgres now (or shares a question that has begun). @returns whether it answered. */
  refresh(): Promise<boolean>;
  invalidate(...keys: readonly string[]): void;
  /** As invalidate; and until Postgres has answered again, nothing of these keys is served as stale either. */
  withdraw(...keys: readonly string[]): void;
  /** Anything may have changed and been withdrawn. */
  withdrawAll(): void;
  dirtyKeys(): readonly string[];
  state(): { readonly ageMs: number; readonly away: boolean };
}

/**
 * The rule of DESIGN section 6: memory counts only if within the last second (monotonic, counted from before the question was
 * sent) Postgres was asked with success, and nothing of it was invalidated since. One question at a time serves all who wait.
 */
export function makeCurrency(options: CurrencyOptions): Currency {
  const { clock } = options;
  const dirty = makeDirtyKeys(clock);
  let readAt = -Infinity;
  let failedAt = -Infinity;
  let asking: { readonly startedAt: number; readonly answered: Promise<boolean> } | undefined;

  const ask = async (startedAt: number): Promise<boolean> => {
    try {
      await options.refresh();
      readAt = startedAt;
      dirty.answered(startedAt);
      options.onRefresh?.('success', clock.monotonic() - startedAt);
      return true;
    } catch {
      failedAt = clock.monotonic();
      options.onRefresh?.('failure', failedAt - startedAt);
      return false;
    }
  };
  /** @param notBefore a question that began earlier does not do. */
  const askSince = async (notBefore: number): Promise<boolean> => {
    while (asking !== undefined && asking.startedAt <= notBefore) await asking.answered;
    if (asking === undefined) {
      const startedAt = clock.monotonic();
      asking = { startedAt, answered: ask(startedAt).finally(() => (asking = undefined)) };
    }
    return asking.answered;
  };
  /** Shared by all who wait for one question: when it hangs, nobody waits anew. */
  const patienceMs = (): number =>
    asking === undefined ? AWAY_AFTER_MS : AWAY_AFTER_MS - (clock.monotonic() - asking.startedAt);
  const isCurrent = (keys: readonly string[]): boolean =>
    clock.monotonic() - readAt < CURRENCY_MS && readAt > dirty.since(keys);
  // INVARIANT: who was told that something is taken away, or may have missed being told, does not go on with what it knew.
  const mayServeStale = (keys: readonly string[]): boolean =>
    clock.monotonic() - readAt < options.staleForSeconds * SECOND && !dirty.areWithdrawn(keys, readAt);

  return {
    async settle(keys) {
      if (isCurrent(keys)) return false;
      if (clock.monotonic() - failedAt >= AWAY_FOR_MS) {
        const answered = await within(patienceMs(), () => askSince(dirty.since(keys)));
        if (answered && isCurrent(keys)) return false;
        // Invalidated again meanwhile: that writer has not been answered yet, so what was read may be told.
        if (answered && clock.monotonic() - readAt < CURRENCY_MS && readAt > dirty.allSince()) return false;
      }
      if (!mayServeStale(keys)) throw failure('STORE_UNAVAILABLE');
      return true;
    },
    isCurrent,
    mayServeStale,
    refresh: () => askSince(-Infinity),
    invalidate: (...keys) => dirty.invalidate(keys),
    withdraw: (...keys) => dirty.withdraw(keys),
    withdrawAll: () => dirty.withdrawAll(),
    dirtyKeys: () => dirty.list(),
    state: () => ({
      ageMs: clock.monotonic() - readAt,
      away: failedAt > readAt || clock.monotonic() - readAt > 2 * CURRENCY_MS,
    }),
  };
}

/** @returns false when it takes longer; the question goes on. */
async function within(ms: number, work: () => Promise<boolean>): Promise<boolean> {
  if (ms <= 0) return false;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  return Promise.race([work(), late]).finally(() => clearTimeout(timer));
}
