import { SECOND, KeymeshError, type Clock, type Secret } from '@keymesh/kernel';
import type { Kms } from './kms.js';
import { errorNameOf, kmsUnavailable } from './kms-failures.js';

export interface ResilienceOptions {
  readonly clock: Clock;
  /** How long one call may take, milliseconds. */
  readonly deadlineMs: number;
}

/** Failures in a row after which the KMS is left alone. */
export const FAILURES_TO_OPEN = 5;
/** How long it is left alone before one call tries again. */
export const REST_MS = 5 * SECOND;
/** Calls under way at once; more are refused rather than queued. */
export const MAX_CALLS = 64;

/**
 * The same KMS, which never keeps a caller waiting: a call that hangs is abandoned at its deadline, and after some failures in a row none is
 * made for a while.
 *
 * States: `closed` (calls pass) → after {@link FAILURES_TO_OPEN} failures in a row `open` (all are refused at once) → after {@link REST_MS}
 * `half-open` (one call tries) → `closed` when it succeeds, else `open` again.
 * A KMS that says DECRYPTION_FAILED has answered: that is no failure of its own.
 */
export function makeResilient(kms: Kms, { clock, deadlineMs }: ResilienceOptions): Kms {
  let failures = 0;
  let restsUntil = 0;
  let isTrying = false;
  let calls = 0;

  /** Why no call is made now, if none is. */
  const refusal = (): string | undefined => {
    if (calls >= MAX_CALLS) return 'too many calls';
    if (failures < FAILURES_TO_OPEN) return undefined;
    return isTrying || clock.monotonic() < restsUntil ? 'resting' : undefined;
  };
  const settle = (failed: boolean): void => {
    failures = failed ? failures + 1 : 0;
    if (failures >= FAILURES_TO_OPEN) restsUntil = clock.monotonic() + REST_MS;
  };
  const guarded = async <T>(work: () => Promise<T>, abandon: (late: T) => void): Promise<T> => {
    const refused = refusal();
    if (refused !== undefined) throw kmsUnavailable(kms.provider, refused);
    const isTrial = (isTrying = failures >= FAILURES_TO_OPEN);
    calls += 1;
    try {
      const result = await withinDeadline(work, deadlineMs, abandon, () =>
        kmsUnavailable(kms.provider, 'timeout'),
      );
      settle(false);
      return result;
    } catch (error) {
      const told = translate(error, kms.provider);
      settle(told.code === 'KMS_UNAVAILABLE');
      throw told;
    } finally {
      calls -= 1;
      if (isTrial) isTrying = false;
    }
  };

  return {
    ...kms,
    wrapKey: (plain, context) =>
      guarded(
        () => kms.wrapKey(plain, context),
        () => undefined,
      ),
    unwrapKey: (wrapped, context) =>
      guarded(
        () => kms.unwrapKey(wrapped, context),
        (late: Secret) => late.dispose(),
      ),
  };
}

/** @param abandon gets what comes after the deadline: a key that nobody waits for is wiped. */
function withinDeadline<T>(
  work: () => Promise<T>,
  deadlineMs: number,
  abandon: (late: T) => void,
  timeout: () => Error,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(timeout());
    }, deadlineMs);
    const ended = (then: () => void) => {
      clearTimeout(timer);
      then();
    };
    work().then(
      (result) => ended(() => (isLate ? abandon(result) : resolve(result))),
      (error: unknown) => ended(() => reject(error instanceof Error ? error : new Error('not an error'))),
    );
  });
}

/** Only failures of the catalogue go on; of anything else only its name. */
const translate = (error: unknown, provider: string): KeymeshError =>
  KeymeshError.is(error) ? error : kmsUnavailable(provider, errorNameOf(error));
