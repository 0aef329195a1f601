import { type revokeLeases } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { announceRecord } from '../domain/announcements.js';
import type { Attempt } from '../domain/audit-trail.js';
import type { Call } from '@keymesh/mesh';
import type { LeaseFilter } from '../domain/leases.js';
import { canonicalName } from '../domain/name.js';
import { revokeLive } from '../domain/revoke-leases.js';
import { permitLookup, permitOn } from './permit.js';
import type { RevokeLeasePorts } from './revoke-lease.js';

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
