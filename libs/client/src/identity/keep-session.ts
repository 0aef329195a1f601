import type { ReplyOf, openSession } from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';

/** What is left of a session when it is prolonged. */
const LEFT = 1 / 3;
const FIRST_RETRY_MS = SECOND;
const LONGEST_RETRY_MS = 30 * SECOND;

type Session = Pick<ReplyOf<typeof openSession>, 'principal' | 'expiresAt'>;

/**
 * Prolongs a session before it ends, and goes on trying when that fails, also after its end: the connection, which the server refuses then,
 * comes back with it.
 * @param open with the same keys each time. @param first as it was opened
 */
export function keepSession(
  open: () => Promise<Session>,
  first: Session,
  { now = Date.now }: { readonly now?: () => number } = {},
): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let retryMs = FIRST_RETRY_MS;
  let stopped = false;
  const schedule = (inMs: number): void => {
    if (stopped) return;
    timer = setTimeout(() => void renew(), inMs);
    timer.unref();
  };
  const untilRenewal = ({ expiresAt }: Session): number =>
    Math.max(FIRST_RETRY_MS, (Date.parse(expiresAt) - now()) * (1 - LEFT));
  const renew = async (): Promise<void> => {
    try {
      const session = await open();
      retryMs = FIRST_RETRY_MS;
      // INVARIANT: one connection is one principal; where the rule names another one now, this one ends with its session.
      if (session.principal === first.principal) schedule(untilRenewal(session));
    } catch {
      // Calls tell it when the session has ended; until then there is time.
      schedule(retryMs);
      retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2);
    }
  };
  schedule(untilRenewal(first));
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
