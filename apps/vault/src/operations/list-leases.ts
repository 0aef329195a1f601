import type { listLeases } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { toLeaseMetadata, type ListLeases } from '../domain/leases.js';
import { permitOn } from './permit.js';

export interface ListLeasesPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly listLeaseRows: ListLeases;
  readonly clock: Clock;
}

/** Leases of the caller, or with the right to read leases those of others, newest first. @throws DENIED, STORE_UNAVAILABLE, AUDIT_UNAVAILABLE */
export function makeListLeases(ports: ListLeasesPorts): Handler<typeof listLeases> {
  const { audited, askPolicy, clock, listLeaseRows } = ports;
  return audited<typeof listLeases>('lease.listed', async (request, call, attempt) => {
    const nowMs = clock.now();
    const { principal = call.principal, ended, pageSize, pageToken } = request;
    const everybody = principal === '*';
    if (principal !== call.principal) {
      const resource = everybody
        ? namespaceResource('*')
        : { kind: 'principal' as const, id: principal, attributes: {} };
      permitOn({ askPolicy, call, attempt, nowMs }, 'lease.read', resource);
    }
    const found = await listLeaseRows({
      principal: everybody ? undefined : principal,
      ended,
      before: pageToken,
      limit: pageSize + 1,
      nowMs,
    });
    const page = found.slice(0, pageSize);
    attempt.note({ leases: page.length });
    await attempt.succeeded();
    return {
      leases: page.map((lease) => toLeaseMetadata(lease, nowMs)),
      nextPageToken: found.length > page.length ? (page.at(-1)?.leaseId ?? null) : null,
    };
  });
}
