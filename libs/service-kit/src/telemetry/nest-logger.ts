import type { LoggerService } from '@nestjs/common';
import { RuntimeException } from '@nestjs/core/errors/exceptions/runtime.exception.js';
import type { Logger } from './logger.js';

/** Lets Nest write through our logger. Its routine announcements go to debug. */
export function nestLogger(logger: Logger): LoggerService {
  const nest = logger.child({ component: 'nest' });
  const context = (rest: readonly unknown[]) => ({
    context: typeof rest.at(-1) === 'string' ? rest.at(-1) : '',
  });
  return {
    log: (message: unknown, ...rest: unknown[]) => nest.debug(context(rest), textOf(message)),
    debug: (message: unknown, ...rest: unknown[]) => nest.debug(context(rest), textOf(message)),
    verbose: (message: unknown, ...rest: unknown[]) => nest.trace(context(rest), textOf(message)),
    warn: (message: unknown, ...rest: unknown[]) => nest.warn(context(rest), textOf(message)),
    error: (message: unknown) =>
      nest.error(message instanceof Error ? { err: message } : {}, textOf(message)),
    fatal: (message: unknown) =>
      nest.fatal(message instanceof Error ? { err: message } : {}, textOf(message)),
  };
}

// Nest's own texts (an unknown dependency, a duplicate route) are for the developer and hold no value; foreign errors keep theirs to themselves.
const textOf = (message: unknown): string => {
  if (message instanceof RuntimeException) return message.message;
  return typeof message === 'string' ? message : 'nest reported an error';
};
