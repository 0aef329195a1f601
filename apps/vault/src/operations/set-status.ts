import type { deactivateCredential } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import { statusOf, type Credential } from '../domain/credential.js';
import type { Mutations } from '../domain/mutations.js';
import { canonicalName } from '../domain/name.js';
import type { MetadataIndex } from '../domain/ports.js';
import { revokeLive } from '../domain/revoke-leases.js';
import { permitLookup } from './permit.js';

export interface SetStatusPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly askPolicy: AskPolicy;
  readonly mutations: Mutations;
  readonly clock: Clock;
}

// activateCredential is of the same shape.
type SetStatus = typeof deactivateCredential;

/** The story of activateCredential and deactivateCredential, which differ in one word. */
export function makeSetStatus(
  { audited, index, askPolicy, mutations, clock }: SetStatusPorts,
  recordType: 'credential.activated' | 'credential.deactivated',
  status: Credential['status'],
): Handler<SetStatus> {
  return audited<SetStatus>(recordType, async (request, call, attempt) => {
    const name = canonicalName(request.name);
    attempt.named(name);
    const question = { askPolicy, call, attempt, nowMs: clock.now() };
    permitLookup(question, 'update', { name }, await index.findByName(name));
    return mutations.run(call, async (transaction) => {
      const existing = permitLookup(
        question,
        'update',
        { name },
        { credential: await transaction.lockByName(name), stale: false },
      );
      const { credentialId } = existing;
      const isSet = existing.status === status;
      const revision = isSet ? existing.revision : await transaction.nextRevision();
      const nowMs = clock.now();
      const left: Credential = isSet ? existing : { ...existing, status, updatedAtMs: nowMs, revision };
      if (!isSet) await transaction.updateCredential(left);
      if (status === 'inactive') await revokeLive(transaction.leases, { credentialId }, call, nowMs);
      attempt.about(left);
      await announceRecord(transaction, attempt.success());
      return {
        reply: { credentialId, name, status: statusOf(left, nowMs), revision },
        // Also where nothing is changed: the one who set it may have died before everybody knew.
        changed: { credentialId, name, awaitEveryone: true },
      };
    });
  });
}
