import { toPublicError } from '@keymesh/contracts';
import { pino } from 'pino';
import { makeLogger, type Logger } from '../telemetry/logger.js';

/**
 * Runs a one-shot program (`migrate.ts`, `init.ts`) and sets the exit code: 0, 2 for a configuration that is not valid, 1 otherwise.
 * Logs go to standard error, so that standard output is the program's own.
 */
export async function runTask(name: string, task: (logger: Logger) => Promise<void>): Promise<void> {
  const destination = pino.destination({ dest: 2, sync: true });
  const logger = makeLogger({ service: name, instance: String(process.pid), level: 'info', destination });
  try {
    await task(logger);
  } catch (error) {
    const { code, message } = toPublicError(error);
    logger.fatal({ err: error, code }, message);
    process.exitCode = code === 'CONFIG_INVALID' ? 2 : 1;
  }
}
