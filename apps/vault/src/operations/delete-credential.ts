import { failure, type deleteCredential } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import { announceDeleted, announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import type { Mutations } from '../domain/mutations.js';
import { canonicalName } from '../domain/name.js';
import type { MetadataIndex } from '../domain/ports.js';
import { removeCredential } from '../domain/stages.js';
import { permitLookup } from './permit.js';

export interface DeleteCredentialPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly askPolicy: AskPolicy;
  readonly mutations: Mutations;
  readonly clock: Clock;
}

/**
 * Deletes a credential. Once it has answered, no instance hands it out any more.
 * @throws CREDENTIAL_NOT_FOUND (missing, or denied to somebody who may not describe it), DENIED, VERSION_CONFLICT, STORE_UNAVAILABLE
 */
export function makeDeleteCredential(ports: DeleteCredentialPorts): Handler<typeof deleteCredential> {
  const { audited, index, askPolicy, mutations, clock } = ports;
  return audited<typeof deleteCredential>('credential.deleted', async (request, call, attempt) => {
    const name = canonicalName(request.name);
    attempt.named(name);
    const question = { askPolicy, call, attempt, nowMs: clock.now() };
    permitLookup(question, 'delete', { name }, await index.findByName(name));
    return mutations.run(call, async (transaction) => {
      // Once more on the locked row: its owner or tags may have changed, or it may be gone.
      const existing = permitLookup(
        question,
        'delete',
        { name },
        { credential: await transaction.lockByName(name), stale: false },
      );
      if (request.expectedVersion !== undefined && request.expectedVersion !== existing.currentVersion) {
        throw failure('VERSION_CONFLICT');
      }
      const removed = removeCredential(existing, {
        nowMs: clock.now(),
        revision: await transaction.nextRevision(),
      });
      const { credentialId, revision } = removed;
      await transaction.updateCredential(removed);
      attempt.about(removed);
      await announceRecord(transaction, attempt.success());
      await announceDeleted(transaction, removed, call, clock.now());
      return {
        reply: { credentialId, name, revision },
        changed: { credentialId, name, awaitEveryone: true },
      };
    });
  });
}
