import { failure, type ReplyOf, type RequestOf, type renewLease, type RpcContract } from '@keymesh/contracts';
import type { Call, Handler } from '@keymesh/mesh';
import type { z } from 'zod';
import { announceRecord } from '../domain/announcements.js';
import type { Attempt } from '../domain/audit-trail.js';
import type { Credential } from '../domain/credential.js';
import {
  expiryOf,
  refuseEnded,
  refuseUnusable,
  toLeaseMetadata,
  type Lease,
  type LeaseRows,
} from '../domain/leases.js';
import type { MetadataIndex } from '../domain/ports.js';
import { noteLease, type IssueLeasePorts } from './issue-lease.js';
import { permitLookup } from './permit.js';
import { wantedOf } from './retrieve-credential.js';

export interface RenewLeasePorts extends Omit<IssueLeasePorts, 'index'> {
  readonly index: Pick<MetadataIndex, 'findById'>;
}

type Request = RequestOf<typeof renewLease>;
interface Renewed {
  readonly lease: Lease;
  readonly name: string;
  readonly type: Credential['type'];
  readonly isCurrent: boolean;
}
type Renewal = RpcContract<(typeof renewLease)['request'], z.ZodType<Renewed>>;

/**
 * Renews a lease of the caller's own, as long as it could be issued now and its version is in use. A token is signed anew.
 * @throws LEASE_NOT_FOUND, LEASE_EXPIRED, CREDENTIAL_NOT_FOUND, DENIED, CREDENTIAL_INACTIVE, CREDENTIAL_EXPIRED, STORE_UNAVAILABLE
 */
export function makeRenewLease(ports: RenewLeasePorts): Handler<typeof renewLease> {
  const renew = ports.audited<Renewal>('lease.renewed', (request, call, attempt) =>
    ports.leases.run(call, (rows) => renewRow(ports, rows, request, call, attempt)),
  );
  return async (request, call): Promise<ReplyOf<typeof renewLease>> => {
    const { lease, name, type, isCurrent } = await renew(request, call);
    const told = { lease: toLeaseMetadata(lease, ports.clock.now()), isCurrent };
    if (lease.kind !== 'token') return told;
    const { audience, purpose } = request;
    const values = await ports.issuerOf(type).issue({ lease, name, audience, purpose }, call);
    return { ...told, values };
  };
}

async function renewRow(
  ports: RenewLeasePorts,
  rows: LeaseRows,
  { leaseId, ttlSeconds, purpose }: Request,
  call: Call,
  attempt: Attempt,
): Promise<Renewed> {
  attempt.concerns('lease', leaseId);
  const before = await rows.lock(leaseId);
  // Whose it is, nobody else learns.
  if (before?.principal !== call.principal) throw failure('LEASE_NOT_FOUND');
  const nowMs = ports.clock.now();
  const { credentialId } = before;
  const question = { askPolicy: ports.askPolicy, call, attempt, nowMs };
  const credential = permitLookup(
    question,
    'lease.issue',
    { credentialId },
    await ports.index.findById(credentialId),
    wantedOf({ purpose }),
  );
  refuseUnusable(credential, nowMs);
  refuseEnded(before, credential, nowMs);
  const expiresAtMs = expiryOf(nowMs, ttlSeconds, ports.leaseLimits, before.maxExpiresAtMs);
  // Never shorter than it was: whoever counts on the end that was promised is not surprised.
  const lease = { ...before, expiresAtMs: Math.max(expiresAtMs, before.expiresAtMs) };
  await rows.update(lease);
  noteLease(attempt, credential, lease);
  await announceRecord(rows, attempt.success());
  const { name, type, currentVersion } = credential;
  return { lease, name, type, isCurrent: lease.version === currentVersion };
}
