import { failure, type restoreCredential } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import { announceRecord, announceRestored } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import { restorableUntilMs, type Credential } from '../domain/credential.js';
import type { Mutations } from '../domain/mutations.js';
import { canonicalName, namespaceOf } from '../domain/name.js';
import type { DeletedCredentials, MetadataIndex } from '../domain/ports.js';
import { bringBack } from '../domain/stages.js';
import { askedOf, permitLookup } from './permit.js';

export interface RestoreCredentialPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName' | 'findById'>;
  readonly deleted: DeletedCredentials;
  readonly askPolicy: AskPolicy;
  readonly mutations: Mutations;
  readonly clock: Clock;
}

/**
 * Takes a deletion back: the same id, versions and stages; what was previous is previous again. By name it is the one deleted last under it.
 * @throws CREDENTIAL_NOT_FOUND (also when denied to somebody who may not describe it), DENIED, CREDENTIAL_NOT_DELETED (it lives, or its
 *   window is over), CREDENTIAL_EXISTS (its name is taken: ask for another with `as`), BAD_REQUEST, STORE_UNAVAILABLE
 */
export function makeRestoreCredential(ports: RestoreCredentialPorts): Handler<typeof restoreCredential> {
  const { audited, askPolicy, mutations, clock } = ports;
  return audited<typeof restoreCredential>('credential.restored', async (request, call, attempt) => {
    const asked = askedOf(request);
    if ('name' in asked) attempt.named(asked.name);
    const question = { askPolicy, call, attempt, nowMs: clock.now() };
    const permit = (credential: Credential | undefined): Credential =>
      permitLookup(question, 'restore', asked, { credential, stale: false });
    const found = permit(await findDeletedOrLive(ports, asked));
    const name = request.as === undefined ? found.name : canonicalName(request.as);
    attempt.named(name);
    if (namespaceOf(name) !== found.namespace) {
      throw failure('BAD_REQUEST', {
        publicMessage: `A credential is restored within its namespace, ${found.namespace}: its values open in no other.`,
      });
    }
    return mutations.run(call, async (transaction) => {
      const living = await transaction.lockByName(name);
      const locked = await transaction.lockDeleted(found.credentialId);
      if (locked === undefined) throw failure('CREDENTIAL_NOT_DELETED');
      const deleted = permit(locked);
      const until = restorableUntilMs(deleted);
      if (until === null || clock.now() >= until) throw failure('CREDENTIAL_NOT_DELETED');
      if (living !== undefined) {
        throw failure('CREDENTIAL_EXISTS', {
          publicMessage:
            'The name belongs to another credential by now. Restore this one with `as` another name.',
        });
      }
      const restored = bringBack(deleted, name, {
        nowMs: clock.now(),
        revision: await transaction.nextRevision(),
      });
      const { credentialId, currentVersion: version, revision } = restored;
      await transaction.updateCredential(restored);
      attempt.about(restored, version);
      await announceRecord(transaction, attempt.success());
      await announceRestored(transaction, restored, call, clock.now());
      return { reply: { credentialId, name, version, revision }, changed: { credentialId, name } };
    });
  });
}

/** A living one is found too, so that who may know is told that it is not deleted. */
async function findDeletedOrLive(
  { index, deleted }: RestoreCredentialPorts,
  asked: ReturnType<typeof askedOf>,
): Promise<Credential | undefined> {
  return 'name' in asked
    ? ((await deleted.findByName(asked.name)) ?? (await index.findByName(asked.name)).credential)
    : ((await deleted.findById(asked.credentialId)) ?? (await index.findById(asked.credentialId)).credential);
}
