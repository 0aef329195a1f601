import { SECOND } from '@keymesh/kernel';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';

export interface Responder {
  /** Says that a finding may want an answer. */
  poke(): void;
  start(): void;
  /** Resolves when the round in flight is over. */
  stop(): Promise<void>;
}

/** Runs rounds one after another: at each poke, and once a second for what is due again. A failed round is reported. */
export function makeResponder(
  round: () => Promise<unknown>,
  onError: (error: unknown) => void,
  pollMs: number = SECOND,
): Responder {
  let timer: NodeJS.Timeout | undefined;
  let running = false;
  let again = false;
  let inFlight: Promise<void> | undefined;
  const run = (): void => {
    if (!running) return;
    if (inFlight !== undefined) {
      again = true;
      return;
    }
    clearTimeout(timer);
    inFlight = round()
      .then(() => undefined, onError)
      .finally(() => {
        inFlight = undefined;
        const soon = again;
        again = false;
        if (running) timer = setTimeout(run, soon ? 0 : pollMs);
      });
  };
  return {
    // Neither the round nor the timer after it belongs to the trace of whoever pokes.
    poke: () => context.with(ROOT_CONTEXT, run),
    start: () => {
      running = true;
      run();
    },
    stop: async () => {
      running = false;
      clearTimeout(timer);
      await inFlight;
    },
  };
}
