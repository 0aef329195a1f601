import type { Logger } from '../telemetry/logger.js';
import type { Shutdown } from './shutdown.js';

/** Stops on SIGTERM and SIGINT and, if wished, when standard input closes: then whoever started us has gone. */
export function exitWhenAsked(shutdown: Shutdown, withStdin: boolean): void {
  const exit = (reason: string): void => {
    void shutdown.run(reason).then(() => process.exit(0));
  };
  process.on('SIGTERM', () => exit('SIGTERM'));
  process.on('SIGINT', () => exit('SIGINT'));
  if (!withStdin) return;
  process.stdin.on('end', () => exit('standard input closed'));
  process.stdin.on('close', () => exit('standard input closed'));
  process.stdin.on('error', () => exit('standard input closed'));
  process.stdin.resume();
}

/** An error that nobody caught leaves the process in an unknown state: log what it was, never its text, and end. */
export function exitOnUncaught(logger: Logger): void {
  const end = (kind: string) => (error: unknown) => {
    logger.fatal({ err: error, kind }, 'uncaught error');
    process.exit(1);
  };
  process.on('uncaughtException', end('exception'));
  process.on('unhandledRejection', end('rejection'));
}
