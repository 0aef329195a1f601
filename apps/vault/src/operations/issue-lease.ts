import { failure, type issueLease, type LeaseKind, type RpcContract } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Call, Handler } from '@keymesh/mesh';
import { v7 as uuidv7 } from 'uuid';
import type { z } from 'zod';
import type { AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Attempt, Audited } from '../domain/audit-trail.js';
import type { Credential } from '../domain/credential.js';
import {
  draftLease,
  refuseUnusable,
  toLeaseMetadata,
  type Lease,
  type LeaseLimits,
  type LeaseMutations,
} from '../domain/leases.js';
import { canonicalName } from '../domain/name.js';
import type { MetadataIndex } from '../domain/ports.js';
import type { IssuerOf } from '../issuers/issuer.js';
import { permitLookup } from './permit.js';
import { wantedOf } from './retrieve-credential.js';

export interface IssueLeasePorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly askPolicy: AskPolicy;
  readonly leases: LeaseMutations;
  readonly issuerOf: IssuerOf;
  readonly leaseLimits: LeaseLimits;
  readonly clock: Clock;
}

/**
 * Issues a lease: decide → one transaction with the lease and its record, within the cap of its principal → what is issued, each with its own
 * record before it is released. Asked again with the same request id it is the same lease.
 * @throws CREDENTIAL_NOT_FOUND, DENIED, CREDENTIAL_INACTIVE, CREDENTIAL_EXPIRED, LEASE_LIMIT_REACHED, BAD_REQUEST (an audience for what is
 *   no token), and as the operation that issues: retrieveCredential, or mintToken. Then the lease ends at its own time, unused.
 */
export function makeIssueLease(ports: IssueLeasePorts): Handler<typeof issueLease> {
  const grant = makeGrant(ports);
  return async (request, call) => {
    const { lease, name, type } = await grant(request, call);
    const issuer = ports.issuerOf(type);
    const { audience, purpose } = request;
    const values = await issuer.issue({ lease, name, audience, purpose }, call);
    return { lease: toLeaseMetadata(lease, ports.clock.now()), type, values };
  };
}

type Grant = RpcContract<(typeof issueLease)['request'], z.ZodType<Granted>>;
interface Granted {
  readonly lease: Lease;
  readonly name: string;
  readonly type: Credential['type'];
}

/** The lease itself, audited whatever comes of it. */
function makeGrant({ audited, index, askPolicy, leases, issuerOf, leaseLimits, clock }: IssueLeasePorts) {
  return audited<Grant>('lease.issued', async (request, call, attempt) => {
    const name = canonicalName(request.name);
    attempt.named(name);
    const nowMs = clock.now();
    const lookup = await index.findByName(name);
    const question = { askPolicy, call, attempt, nowMs };
    const { purpose } = request;
    const credential = permitLookup(question, 'lease.issue', { name }, lookup, wantedOf({ purpose }));
    const { kind } = issuerOf(credential.type);
    refuseUnusable(credential, nowMs);
    if (kind !== 'token' && request.audience !== undefined) {
      throw failure('BAD_REQUEST', { publicMessage: 'Only a token has an audience. Leave it out.' });
    }
    return leases.run(call, async (rows) => {
      if ((await rows.countLive(call.principal, nowMs)) >= leaseLimits.maxPerPrincipal)
        throw failure('LEASE_LIMIT_REACHED');
      const lease = draftLease(partiesOf(credential, kind, call), nowMs, request.ttlSeconds, leaseLimits);
      await rows.insert(lease);
      noteLease(attempt, credential, lease);
      await announceRecord(rows, attempt.success());
      return { lease, name, type: credential.type };
    });
  });
}

const partiesOf = ({ credentialId, currentVersion }: Credential, kind: LeaseKind, { principal }: Call) => ({
  leaseId: uuidv7(),
  principal,
  credentialId,
  version: currentVersion,
  kind,
});

/** Puts into the record which lease it is about, and until when. */
export function noteLease(attempt: Attempt, credential: Credential | undefined, lease: Lease): void {
  if (credential !== undefined) attempt.about(credential, lease.version);
  attempt.note({
    leaseId: lease.leaseId,
    leaseKind: lease.kind,
    expiresAt: new Date(lease.expiresAtMs).toISOString(),
  });
}
