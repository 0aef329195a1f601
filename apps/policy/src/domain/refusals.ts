import type { Clock } from '@keymesh/kernel';
import type { AuditEntry, Record } from './ports.js';

/** Windows of a kind of refusal: the first few are recorded one by one, the rest as a sum when the window ends. */
const WINDOW_MS = 60_000;
const RECORDED_PER_WINDOW = 5;
/** Refusals of more different keys than this in one window share one sum. */
const MAX_KEYS = 500;
const OTHERS = 'others';

export interface Refusals {
  /**
   * Records a refusal, or counts it. Never throws: a refusal stands whether or not it could be recorded.
   * @param key what is summed together: a principal, or one key for all strangers.
   * @param entry made only when it is recorded; `summed` is how many earlier ones it stands for (0: it is one itself).
   */
  note(key: string, entry: (summed: number) => AuditEntry): Promise<void>;
  /** Records the sums of windows that have ended; all of them with `now`. Call it every few seconds. */
  flush(now?: 'now'): Promise<void>;
}

interface Window {
  readonly endsAt: number;
  count: number;
  entry: (summed: number) => AuditEntry;
}

/**
 * Keeps refusals from filling the journal: whoever may not do a thing must not be able to fill a disk by trying it.
 * Holds at most {@link MAX_KEYS} counters.
 */
export function makeRefusals(options: {
  readonly record: Record;
  readonly clock: Clock;
  /** Told when a record could not be made durable. */
  readonly onLost: (error: unknown) => void;
}): Refusals {
  const { record, clock, onLost } = options;
  const windows = new Map<string, Window>();
  const write = async (entry: AuditEntry): Promise<void> => {
    try {
      await record(entry);
    } catch (error) {
      onLost(error);
    }
  };
  const windowOf = (key: string, entry: Window['entry']): Window => {
    const name = windows.has(key) || windows.size < MAX_KEYS ? key : OTHERS;
    const known = windows.get(name);
    if (known !== undefined) return known;
    const opened = { endsAt: clock.monotonic() + WINDOW_MS, count: 0, entry };
    windows.set(name, opened);
    return opened;
  };
  const flush = async (now?: 'now'): Promise<void> => {
    const ended = [...windows].filter(([, { endsAt }]) => now === 'now' || clock.monotonic() >= endsAt);
    for (const [key] of ended) windows.delete(key);
    const sums = ended.filter(([, { count }]) => count > RECORDED_PER_WINDOW);
    await Promise.all(sums.map(([, { count, entry }]) => write(entry(count - RECORDED_PER_WINDOW))));
  };
  return {
    async note(key, entry) {
      await flush();
      const window = windowOf(key, entry);
      window.count += 1;
      if (window.count <= RECORDED_PER_WINDOW) await write(entry(0));
      else window.entry = entry;
    },
    flush,
  };
}
