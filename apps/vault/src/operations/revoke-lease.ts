import { failure, type revokeLease } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy, PolicyResource } from '../domain/access.js';
import { credentialResource } from '../domain/access.js';
import { announceLeaseRevoked, announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import { stateOf, toLeaseMetadata, type LeaseMutations } from '../domain/leases.js';
import { endedLease } from '../domain/revoke-leases.js';
import type { Lookup, MetadataIndex } from '../domain/ports.js';
import { noteLease } from './issue-lease.js';

export interface RevokeLeasePorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findById' | 'findByName'>;
  readonly askPolicy: AskPolicy;
  readonly leases: LeaseMutations;
  readonly clock: Clock;
}

/**
 * Ends a lease before its time: its own principal may, and who may revoke leases. Its principal is told.
 * @throws LEASE_NOT_FOUND (missing, or neither), STORE_UNAVAILABLE
 */
export function makeRevokeLease(ports: RevokeLeasePorts): Handler<typeof revokeLease> {
  const { audited, askPolicy, clock, index, leases } = ports;
  return audited<typeof revokeLease>('lease.revoked', async ({ leaseId }, call, attempt) => {
    attempt.concerns('lease', leaseId);
    return leases.run(call, async (rows) => {
      const nowMs = clock.now();
      const lease = await rows.lock(leaseId);
      if (lease === undefined) throw failure('LEASE_NOT_FOUND');
      const lookup = await index.findById(lease.credentialId);
      if (lease.principal !== call.principal) {
        const resource = leasedResource(lease.credentialId, lookup, nowMs);
        const access = askPolicy(call, 'lease.revoke', resource);
        attempt.decided(access);
        if (!access.permitted) throw attempt.denied(failure('LEASE_NOT_FOUND'));
      }
      if (stateOf(lease, nowMs) !== 'live') return { lease: toLeaseMetadata(lease, nowMs) };
      const revoked = endedLease(lease, nowMs);
      await rows.update(revoked);
      noteLease(attempt, lookup.credential, revoked);
      await announceRecord(rows, attempt.success());
      await announceLeaseRevoked(rows, revoked, call, nowMs);
      return { lease: toLeaseMetadata(revoked, nowMs) };
    });
  });
}

/** The credential of a lease as policies see it; of one that is deleted no more than its id is known. */
export const leasedResource = (
  credentialId: string,
  { credential }: Lookup,
  nowMs: number,
): PolicyResource =>
  credential === undefined
    ? { kind: 'credential', id: credentialId, attributes: {} }
    : credentialResource(credential, nowMs);
