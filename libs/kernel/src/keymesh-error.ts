/** What a thrower may add: all of it stays inside the process unless it is the public message. */
export interface KeymeshErrorOptions {
  /** One sentence for the person who asked: what is wrong and what to do. Never a value, never a stack. */
  readonly publicMessage?: string;
  /** Facts for our own logs. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Whether the same request may succeed later unchanged. Default: what the code's catalogue entry says. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/**
 * A failure with a code of the closed catalogue in `contracts/errors.ts`.
 * A "no" (a denial, a proof that does not hold) is data and is returned, not thrown.
 */
export class KeymeshError<Code extends string = string> extends Error {
  override readonly name = 'KeymeshError';
  readonly code: Code;
  readonly publicMessage: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryable: boolean | undefined;

  constructor(code: Code, options: KeymeshErrorOptions = {}) {
    super(options.publicMessage ?? code, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.publicMessage = options.publicMessage;
    this.details = options.details ?? {};
    this.retryable = options.retryable;
  }

  /** True for a KeymeshError of any copy of this package. */
  static is(error: unknown): error is KeymeshError {
    return error instanceof Error && error.name === 'KeymeshError' && 'code' in error;
  }
}
