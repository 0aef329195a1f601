import { type revokeLeases } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { announceLeaseRevoked, announceRecord } from '../domain/announcements.js';
import type { Attempt } from '../domain/audit-trail.js';
import type { Call } from '@keymesh/mesh';
import type { LeaseFilter, LeaseRows } from '../domain/leases.js';
import { canonicalName } from '../domain/name.js';
import { permitLookup, permitOn } from './permit.js';
import { endedLease, type RevokeLeasePorts } from './revoke-lease.js';

/** At once, so that one transaction never holds more rows than a moment's work. A cap of leases keeps a principal below it by default. */
const MOST = 10_000;

/**
 * Ends all live leases of a principal or of a credential in one transaction: none is left that was issued before it answered.
 * @throws DENIED, CREDENTIAL_NOT_FOUND, STORE_UNAVAILABLE
 */
export function makeRevokeLeases(ports: RevokeLeasePorts): Handler<typeof revokeLeases> {
  const { audited, leases, clock } = ports;
  return audited<typeof revokeLeases>('lease.revoked', async (request, call, attempt) => {
    const filter = await permittedFilter(ports, request, call, attempt);
    return leases.run(call, async (rows) => {
      const revoked = await revokeLive(rows, filter, call, clock.now());
      attempt.note({ revoked });
      await announceRecord(rows, attempt.success());
      return { revoked };
    });
  });
}

async function permittedFilter(
  { askPolicy, clock, index }: RevokeLeasePorts,
  request: { readonly principal: string } | { readonly name: string },
  call: Call,
  attempt: Attempt,
): Promise<LeaseFilter> {
  const question = { askPolicy, call, attempt, nowMs: clock.now() };
  if ('name' in request) {
    const name = canonicalName(request.name);
    attempt.named(name);
    const { credentialId } = permitLookup(question, 'lease.revoke', { name }, await index.findByName(name));
    return { credentialId };
  }
  const { principal } = request;
  attempt.concerns('principal', principal);
  if (principal !== call.principal)
    permitOn(question, 'lease.revoke', { kind: 'principal', id: principal, attributes: {} });
  return { principal };
}

/** Ends what is live, each with its event. @returns how many. */
export async function revokeLive(
  rows: LeaseRows,
  filter: LeaseFilter,
  call: Call,
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
