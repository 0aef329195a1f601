import { SECOND, type Clock } from '@keymesh/kernel';

/** New deadlines are noticed at least this often, and a round that failed is repeated after it. */
const LOOK_EVERY_MS = 15 * SECOND;

export interface DeadlineLoopOptions {
  /** Does what is due. @returns the wall-clock time of what is due next; undefined: nothing is known. May reject: it is run again. */
  readonly runOnce: () => Promise<number | undefined>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

export interface DeadlineLoop {
  readonly start: () => void;
  /** Resolves when the round at hand has ended. */
  readonly stop: () => Promise<void>;
}

/** Runs a job at its deadlines, one round at a time. */
export function makeDeadlineLoop({ runOnce, clock, onError }: DeadlineLoopOptions): DeadlineLoop {
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> = Promise.resolve();
  let stopped = false;
  const next = (delayMs: number): void => {
    if (stopped) return;
    timer = setTimeout(() => void (round = run()), delayMs);
    timer.unref();
  };
  const run = async (): Promise<void> => {
    try {
      const dueAtMs = (await runOnce()) ?? Infinity;
      next(Math.min(Math.max(dueAtMs - clock.now(), 0), LOOK_EVERY_MS));
    } catch (error) {
      onError(error);
      next(LOOK_EVERY_MS);
    }
  };
  return {
    start: () => next(0),
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      return round;
    },
  };
}
