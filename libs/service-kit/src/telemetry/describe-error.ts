import { KeymeshError } from '@keymesh/kernel';

/** What a log line may hold of an error. */
export interface ErrorDescription {
  readonly type: string;
  readonly code?: string;
  readonly message?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly at: string;
  readonly cause?: ErrorDescription;
}

const MAX_CAUSES = 3;

/**
 * Describes a thrown thing for our own logs.
 * INVARIANT: the text of a foreign error never goes out, because parsers, drivers and validators quote their input in it. Our own errors keep
 * theirs: it is written for people and holds no value.
 */
export function describeError(error: unknown, depth = 0): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, at: '' };
  const code =
    'code' in error && (typeof error.code === 'string' || typeof error.code === 'number')
      ? error.code
      : undefined;
  return {
    type: error.name,
    ...(code === undefined ? {} : { code: String(code).slice(0, 64) }),
    ...(KeymeshError.is(error) ? { message: error.message, details: error.details } : {}),
    at: framesOf(error),
    ...(error.cause === undefined || depth >= MAX_CAUSES
      ? {}
      : { cause: describeError(error.cause, depth + 1) }),
  };
}

// The first lines of a stack repeat the message; frames are lines that begin with "at".
const framesOf = (error: Error): string =>
  (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at \S/.test(line) && !line.includes('node:internal'))
    .slice(0, 6)
    .map((line) => line.trim().slice(3))
    .join(' < ');
