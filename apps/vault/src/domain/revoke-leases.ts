import type { Call } from '@keymesh/mesh';
import { announceLeaseRevoked } from './announcements.js';
import type { Lease, LeaseFilter, LeaseRows } from './leases.js';

/** At once, so that one transaction never holds more rows than a moment's work. A cap of leases keeps a principal below it by default. */
const MOST = 10_000;

/** The lease as it stands once somebody has ended it before its time. */
export const endedLease = (lease: Lease, nowMs: number): Lease => ({
  ...lease,
  endedAtMs: nowMs,
  end: 'revoked',
});

/** Ends what is live, each with its event, for the transaction that takes away what was issued. @returns how many. */
export async function revokeLive(
  rows: LeaseRows,
  filter: LeaseFilter,
  call: Pick<Call, 'traceparent'>,
  nowMs: number,
): Promise<number> {
  const live = await rows.lockLive(filter, nowMs, MOST);
  for (const lease of live) {
    const revoked = endedLease(lease, nowMs);
    await rows.update(revoked);
    await announceLeaseRevoked(rows, revoked, call, nowMs);
  }
  return live.length;
}
