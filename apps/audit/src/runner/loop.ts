/** Work that is done again and again until it is stopped. */
export interface Loop {
  /** There may be something to do: ends the pause. After a failure it waits out its time all the same. */
  poke(): void;
  /** Waits for the work at hand. Idempotent. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  /** How long to wait when there was nothing to do, milliseconds. */
  readonly idleMs: number;
  /** Longest wait after failures, which grow from 100 ms. */
  readonly longestRetryMs: number;
  readonly onFailure: (error: unknown, retryInMs: number) => void;
}

const FIRST_RETRY_MS = 100;

/** Starts a loop. @param work resolves with whether there may be more at once. */
export function startLoop(work: () => Promise<boolean>, options: LoopOptions): Loop {
  const pause = makePause();
  let stopped = false;
  const run = async (): Promise<void> => {
    for (let failures = 0; !stopped;) {
      try {
        const more = await work();
        failures = 0;
        if (!more) await pause.wait(options.idleMs, 'poke');
      } catch (error) {
        const retryInMs = Math.min(options.longestRetryMs, FIRST_RETRY_MS * 2 ** Math.min(failures, 16));
        failures += 1;
        options.onFailure(error, retryInMs);
        await pause.wait(retryInMs, 'stop');
      }
    }
  };
  const ended = run();
  return {
    poke: () => pause.end('poke'),
    stop: () => {
      stopped = true;
      pause.end('stop');
      return ended;
    },
  };
}

/** A poke or stop that comes while nobody waits ends the next wait for it. */
function makePause() {
  const pending = new Set<'poke' | 'stop'>();
  let waiting: { readonly end: () => void; readonly until: 'poke' | 'stop' } | undefined;
  return {
    wait: (ms: number, until: 'poke' | 'stop'): Promise<void> =>
      new Promise((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          waiting = undefined;
          if (until === 'poke') pending.delete('poke');
          resolve();
        };
        const timer = setTimeout(end, ms);
        waiting = { end, until };
        if (pending.has('stop') || pending.has(until)) end();
      }),
    end: (by: 'poke' | 'stop'): void => {
      pending.add(by);
      if (by === 'stop' || waiting?.until === 'poke') waiting?.end();
    },
  };
}
