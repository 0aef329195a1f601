import type { Logger } from '../telemetry/logger.js';

/** All of stopping takes at most this long; then the process ends anyway. */
const STOP_MS = 8_000;

export interface Shutdown {
  readonly add: (what: string, stop: () => Promise<void> | void) => void;
  /** Runs the stops, last added first. One that fails or hangs does not hold up the others for long. Once. */
  run(reason: string): Promise<void>;
}

/** Collects what has to be undone, and undoes it in reverse order. */
export function makeShutdown(logger: Logger): Shutdown {
  const stops: { readonly what: string; readonly stop: () => Promise<void> | void }[] = [];
  let running: Promise<void> | undefined;
  const stopAll = async (): Promise<void> => {
    for (const { what, stop } of stops.toReversed()) {
      try {
        await stop();
      } catch (error) {
        logger.warn({ err: error, what }, 'stopping failed');
      }
    }
  };
  return {
    add: (what, stop) => void stops.push({ what, stop }),
    run(reason) {
      running ??= (async () => {
        logger.info({ reason }, 'stopping');
        let timer: NodeJS.Timeout | undefined;
        const late = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), STOP_MS)));
        if ((await Promise.race([stopAll(), late])) === 'late')
          logger.warn({ stopMs: STOP_MS }, 'stopped without waiting');
        clearTimeout(timer);
      })();
      return running;
    },
  };
}
