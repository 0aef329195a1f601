import { isSpanContextValid, trace } from '@opentelemetry/api';
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';
import type { LogLevel } from '../config/common-config.js';
import { describeError } from './describe-error.js';

/** pino: `logger.info({ requestId, durationMs }, 'what happened')`. Facts as fields, never a request, reply or value. */
export type Logger = PinoLogger;

export interface LoggerOptions {
  readonly service: string;
  readonly instance: string;
  readonly level: LogLevel;
  /** Default: standard output, as JSON, or readable on a terminal. */
  readonly destination?: DestinationStream;
}

// The second net, for a slip: the first is that values live in Secret, which prints itself redacted, and are never handed over.
const SECRET_FIELDS = [
  'value',
  'values',
  'password',
  'secret',
  'seed',
  'token',
  'privateKey',
  'plaintext',
  'authorization',
];
const redactedPaths = SECRET_FIELDS.flatMap((field) => [
  field,
  `*.${field}`,
  `*.*.${field}`,
  `*.*.*.${field}`,
]);

/** Makes the service's logger. Lines carry service, instance and, inside a span, trace_id and span_id. */
export function makeLogger(options: LoggerOptions): Logger {
  const destination =
    options.destination ?? (process.stdout.isTTY ? readable() : pino.destination({ dest: 1, sync: true }));
  return pino(
    {
      level: options.level,
      base: { service: options.service, instance: options.instance },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedPaths, censor: '<redacted>' },
      serializers: { err: describeError, error: describeError },
      mixin: traceIds,
      // pino would copy the message of a logged Error into `msg`.
      hooks: { logMethod: withoutErrorText },
    },
    destination,
  );
}

const readable = (): DestinationStream =>
  pretty({ sync: true, ignore: 'pid,hostname,service,instance,span_id', translateTime: 'HH:MM:ss.l' });

function traceIds(): object {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || !isSpanContextValid(span)) return {};
  return { trace_id: span.traceId, span_id: span.spanId };
}

function withoutErrorText(
  this: Logger,
  args: Parameters<PinoLogger['info']>,
  method: (...args: unknown[]) => void,
): void {
  const [first, ...rest] = args as unknown[];
  method.apply(
    this,
    first instanceof Error ? [{ err: first }, ...(rest.length > 0 ? rest : ['failed'])] : [first, ...rest],
  );
}
