import { failure, toPublicError, type deleteCredential, type ReplyOf } from '@keymesh/contracts';
import { DAY, MINUTE, type Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { credentialResource, type AskPolicy } from '../domain/access.js';
import { announceDeleted, announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import { restorableUntilMs, timestampOrNull, type Credential } from '../domain/credential.js';
import { purgeCredential } from '../domain/destruction.js';
import type { Mutated, Mutations, MutationTransaction } from '../domain/mutations.js';
import { canonicalName } from '../domain/name.js';
import type { DeletedCredentials, Lookup, MetadataIndex } from '../domain/ports.js';
import { removeCredential } from '../domain/stages.js';
import { revokeLive } from '../domain/revoke-leases.js';
import { permitLookup, permitOn, type Question } from './permit.js';

export interface DeleteCredentialPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly deleted: Pick<DeletedCredentials, 'findDeletedSince'>;
  readonly askPolicy: AskPolicy;
  readonly mutations: Mutations;
  readonly clock: Clock;
  /** How long a deleted credential can be restored, where nothing else is asked for. */
  readonly recoveryDays: number;
}

type Reply = ReplyOf<typeof deleteCredential>;

/** Longer than a slow commit takes, and clocks of instances differ; after it every instance knows. */
const JUST_DELETED_MS = MINUTE;

/**
 * Deletes a credential. Once it has answered, no instance hands it out any more; it can be restored for `recoveryDays`, then its versions are
 * destroyed; with 0 days in this very transaction. A shorter time than the configured one takes the right to destroy besides.
 * @throws CREDENTIAL_NOT_FOUND (missing, or denied to somebody who may not describe it; a repeat's is true of every instance too), DENIED, VERSION_CONFLICT, STORE_UNAVAILABLE
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
    const removing = async (): Promise<Reply> => {
      permit(await index.findByName(name));
      return mutations.run(call, removeIn);
    };
    const removeIn = async (transaction: MutationTransaction): Promise<Mutated<Reply>> => {
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
    };
    return removing().catch(async (error: unknown) => {
      if (toPublicError(error).code === 'CREDENTIAL_NOT_FOUND') await awaitEarlier(ports, name, question);
      throw error;
    });
  });
}

/**
 * Where it was deleted just now, what we say must be true of every instance: the first answer may be lost, or not given yet.
 * INVARIANT: waits only for who may delete it. For all others there is one query more, whether it is there or not.
 */
async function awaitEarlier(
  { deleted, mutations }: DeleteCredentialPorts,
  name: string,
  { askPolicy, call, attempt, nowMs }: Question,
): Promise<void> {
  const row = await deleted.findDeletedSince(name, nowMs - JUST_DELETED_MS);
  if (row === undefined) return;
  const asItWas = credentialResource({ ...row, deletedAtMs: null }, nowMs);
  if (!askPolicy(call, 'delete', asItWas).permitted) return;
  const { credentialId } = row;
  attempt.note({ deletedBefore: credentialId });
  await mutations.awaitEveryone({ credentialId, name });
}
