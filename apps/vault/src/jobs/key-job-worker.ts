import { toPublicError, type ErrorCode } from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';
import type { KeyJob } from '../domain/key-jobs.js';
import type { BatchOutcome } from './job-steps.js';

export interface KeyJobWorkerOptions {
  /** @throws STORE_UNAVAILABLE */
  readonly listRunning: () => Promise<readonly KeyJob[]>;
  readonly runBatch: (job: KeyJob) => Promise<BatchOutcome>;
  /** Ends a job with this error. */
  readonly fail: (job: KeyJob, error: ErrorCode) => Promise<void>;
  /** Says beside the job what it is waiting for. */
  readonly noteWaiting: (job: KeyJob, error: ErrorCode) => Promise<void>;
  readonly onBatch?: (job: KeyJob, outcome: BatchOutcome, durationMs: number) => void;
  readonly onError?: (job: KeyJob | undefined, code: ErrorCode) => void;
}

export interface KeyJobWorker {
  /** Says that a job was started here. Jobs of other instances are found within seconds. */
  readonly poke: () => void;
  readonly start: () => void;
  /** Resolves when the batch at hand is done. */
  readonly stop: () => Promise<void>;
}

const LOOK_EVERY_MS = 2 * SECOND;
/** As long as it worked, so that a job takes at most half of a core from the requests. */
const pauseAfter = (workedMs: number): number => Math.min(workedMs, SECOND);
/** These pass by themselves, or on somebody's command. */
const WORTH_WAITING: readonly ErrorCode[] = ['VAULT_LOCKED', 'KMS_UNAVAILABLE', 'STORE_UNAVAILABLE'];

/**
 * Works on whatever key jobs run, batch by batch, beside the other instances (`claimJob` decides whose batch it is). Modes: looking (every two
 * seconds, or when poked), working (job after job in turn, pausing as long as it worked), waiting (a key or the database is away).
 */
export function makeKeyJobWorker(options: KeyJobWorkerOptions): KeyJobWorker {
  let running = false;
  let loop = Promise.resolve();
  const pause = makePause();

  const work = async (job: KeyJob): Promise<BatchOutcome> => {
    const since = performance.now();
    try {
      const outcome = await options.runBatch(job);
      options.onBatch?.(job, outcome, performance.now() - since);
      return outcome;
    } catch (error) {
      const { code } = toPublicError(error);
      options.onError?.(job, code);
      await (WORTH_WAITING.includes(code) ? options.noteWaiting(job, code) : options.fail(job, code));
      return 'not-ours';
    }
  };
  /** @returns whether there is more to do at once. */
  const round = async (): Promise<boolean> => {
    let more = false;
    for (const job of await options.listRunning()) {
      if (!running) return false;
      const since = performance.now();
      const outcome = await work(job);
      more ||= outcome !== 'not-ours';
      await pause.for(outcome === 'more' ? pauseAfter(performance.now() - since) : 0);
    }
    return more;
  };
  const run = async (): Promise<void> => {
    while (running) {
      const more = await round().catch((error: unknown) => {
        options.onError?.(undefined, toPublicError(error).code);
        return false;
      });
      if (!more) await pause.forPoke(LOOK_EVERY_MS);
    }
  };

  return {
    poke: pause.poke,
    start() {
      if (running) return;
      running = true;
      loop = run();
    },
    async stop() {
      running = false;
      pause.stop();
      await loop;
    },
  };
}

/** Waiting that a stop, or for one kind a poke, ends early. */
function makePause() {
  let stopped = false;
  let poked = false;
  let wake: (() => void) | undefined;
  const wait = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      if (stopped) {
        resolve();
        return;
      }
      const timer = setTimeout(done, ms);
      function done(): void {
        clearTimeout(timer);
        wake = undefined;
        resolve();
      }
      wake = done;
    });
  return {
    for: wait,
    async forPoke(ms: number): Promise<void> {
      if (!poked) await wait(ms);
      poked = false;
    },
    poke: (): void => {
      poked = true;
      wake?.();
    },
    stop: (): void => {
      stopped = true;
      wake?.();
    },
  };
}
