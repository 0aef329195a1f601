import { failure } from '@keymesh/contracts';
import { HOUR, MINUTE, SECOND, type Clock } from '@keymesh/kernel';

export interface LedgerLagOptions {
  readonly clock: Clock;
  /** What waits longer for the ledger stops reveals. */
  readonly maxUnledgeredMs: number;
}

/** How far the ledger may be behind the journal: the age of the oldest message there that is not known to be in the ledger. */
export interface LedgerLag {
  /** Takes in a measurement. @param askedAt by the monotonic clock, from before the question was sent. */
  measured(ageMs: number, askedAt: number): void;
  /** At most; milliseconds. Between measurements it grows with the clock. Infinity until the first one. */
  ageMs(): number;
  /** Whether values may be revealed. */
  isInTime(): boolean;
  /** What is answered while they may not: AUDIT_UNAVAILABLE. */
  refusal(): Error;
}

/**
 * Promise 1: no value leaves while records do not reach the ledger in time.
 * INVARIANT: a lag that is not known counts as growing, and one that never was as too long: silence does not keep reveals going.
 */
export function makeLedgerLag({ clock, maxUnledgeredMs }: LedgerLagOptions): LedgerLag {
  // When, by the monotonic clock, the oldest message that waits was stored at the earliest.
  let waitsSince = -Infinity;
  const ageMs = (): number => clock.monotonic() - waitsSince;
  const publicMessage =
    `No value is revealed while audit records do not reach the ledger within ${inWords(maxUnledgeredMs)}. ` +
    'It goes on by itself once the audit service has caught up; see docs/operations/audit.md.';
  return {
    measured: (age, askedAt) => void (waitsSince = askedAt - age),
    ageMs,
    isInTime: () => ageMs() <= maxUnledgeredMs,
    refusal: () => failure('AUDIT_UNAVAILABLE', { publicMessage, details: { reason: 'unledgered' } }),
  };
}

function inWords(milliseconds: number): string {
  const isWhole = (unit: number): boolean => milliseconds > unit && milliseconds % unit === 0;
  if (isWhole(HOUR)) return `${String(milliseconds / HOUR)} hours`;
  if (isWhole(MINUTE)) return `${String(milliseconds / MINUTE)} minutes`;
  return `${String(milliseconds / SECOND)} seconds`;
}
