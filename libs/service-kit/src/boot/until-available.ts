import { KeymeshError } from '@keymesh/kernel';
import type { Logger } from '../telemetry/logger.js';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Tries until it works: at start the servers may come up after us. A configuration that is not valid is not tried again.
 * @throws CONFIG_INVALID
 */
export async function untilAvailable<T>(what: string, logger: Logger, work: () => Promise<T>): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      if (KeymeshError.is(error) && error.code === 'CONFIG_INVALID') throw error;
      logger.warn({ err: error, what, retryMs: pauseMs }, 'not available yet');
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
