import { DAY, HOUR, SECOND } from '@keymesh/kernel';
import type { CredentialMetadata } from '@keymesh/contracts';

/** The credential policy's interval where a credential names none. */
export const DEFAULT_INTERVAL_SECONDS = (30 * DAY) / SECOND;

/** What is known of the rotations that failed since the current version was made. */
export interface RecentFailures {
  readonly count: number;
  /** Wall clock, milliseconds. */
  readonly lastAt: number;
}

/**
 * When the next scheduled rotation of a credential is due, by the wall clock in milliseconds.
 * @returns undefined when it is never rotated by schedule: no adapter, interval 0, or inactive.
 */
export function dueAt(credential: CredentialMetadata, failures?: RecentFailures): number | undefined {
  if (credential.rotation === null || !credential.isActive) return undefined;
  const intervalSeconds = credential.rotation.intervalSeconds ?? DEFAULT_INTERVAL_SECONDS;
  if (intervalSeconds === 0) return undefined;
  const due = Date.parse(credential.versionCreatedAt) + intervalSeconds * SECOND;
  return failures === undefined || failures.count === 0 ? due : Math.max(due, afterFailures(failures));
}

// A failing provider is asked again after 1, 2, 4 … hours, at most once a day, so that it is not locked out by us.
const afterFailures = ({ count, lastAt }: RecentFailures): number =>
  lastAt + Math.min(DAY, HOUR * 2 ** Math.min(count - 1, 10));

/** A delay of `meanMs` ± 20 %, so that instances do not poll in step. @param random in [0, 1). */
export const jittered = (meanMs: number, random: number): number => Math.round(meanMs * (0.8 + 0.4 * random));
