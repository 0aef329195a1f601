import { failure, type deleteCredential } from '@keymesh/contracts';
import { DAY, type Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { credentialResource, type AskPolicy } from '../domain/access.js';
import { announceDeleted, announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import { restorableUntilMs, timestampOrNull, type Credential } from '../domain/credential.js';
import { purgeCredential } from '../domain/destruction.js';
import type { Mutations } from '../domain/mutations.js';
import { canonicalName } from '../domain/name.js';
import type { Lookup, MetadataIndex } from '../domain/ports.js';
import { removeCredential } from '../domain/stages.js';
import { revokeLive } from '../domain/revoke-leases.js';
import { permitLookup, permitOn } from './permit.js';

export interface DeleteCredentialPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly askPolicy: AskPolicy;
  readonly mutations: Mutations;
  readonly clock: Clock;
  /** How long a deleted credential can be restored, where nothing else is asked for. */
  readonly recoveryDays: number;
}

/**
 * Deletes a credential. Once it has answered, no instance hands it out any more; it can be restored for `recoveryDays`, then its versions are
 * destroyed; with 0 days in this very transaction. A shorter time than the configured one takes the right to destroy besides.
 * @throws CREDENTIAL_NOT_FOUND (missing, or denied to somebody who may not describe it), DENIED, VERSION_CONFLICT, STORE_UNAVAILABLE
 */
export function makeDeleteCredential(ports: DeleteCredentialPorts): Handler<typeof deleteCredential> {
  const { audited, index, askPolicy, mutations, clock } = ports;
  return audited<typeof deleteCredential>('credential.deleted', async (request, call, attempt) => {
    const name = canonicalName(request.name);
    const recoveryDays = request.recoveryDays ?? ports.recoveryDays;
    attempt.named(name);
    attempt.note({ recoveryDays });
    const question = { askPolicy, call, attempt, nowMs: clock.now() };
    const permit = (lookup: Lookup): Credential => {
      const found = permitLookup(question, 'delete', { name }, lookup);
      if (recoveryDays < ports.recoveryDays)
        permitOn(question, 'destroy', credentialResource(found, question.nowMs));
      return found;
    };
    permit(await index.findByName(name));
    return mutations.run(call, async (transaction) => {
      // Once more on the locked row: its owner or tags may have changed, or it may be gone.
      const existing = permit({ credential: await transaction.lockByName(name), stale: false });
      if (request.expectedVersion !== undefined && request.expectedVersion !== existing.currentVersion) {
        throw failure('VERSION_CONFLICT');
      }
      const change = { nowMs: clock.now(), revision: await transaction.nextRevision() };
      const removed = removeCredential(existing, change.nowMs + recoveryDays * DAY, change);
      const { credentialId, revision } = removed.credential;
      await transaction.updateCredential(removed.credential);
      await transaction.setStages(credentialId, removed.changes, revision);
      const left =
        recoveryDays === 0
          ? (await purgeCredential(transaction, removed.credential, change)).purged
          : removed.credential;
      await revokeLive(transaction.leases, { credentialId }, call, change.nowMs);
      attempt.about(left);
      await announceRecord(transaction, attempt.success());
      await announceDeleted(transaction, left, call, clock.now());
      return {
        reply: { credentialId, name, revision, recoverableUntil: timestampOrNull(restorableUntilMs(left)) },
        changed: { credentialId, name, awaitEveryone: true },
      };
    });
  });
}
