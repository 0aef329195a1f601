import type { discardVersion } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import type { Mutations } from '../domain/mutations.js';
import type { Lookup, MetadataIndex } from '../domain/ports.js';
import { discardOf, versionOfRotation, writeDiscard } from '../domain/rotation.js';
import { permitLookup } from './permit.js';

export interface DiscardVersionPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findById'>;
  readonly askPolicy: AskPolicy;
  readonly mutations: Mutations;
  readonly clock: Clock;
}

/**
 * Ends a pending version that will not become current; who may prepare may discard. Asked again it changes nothing.
 * @throws CREDENTIAL_NOT_FOUND, DENIED, VERSION_NOT_FOUND (not of this rotation), VERSION_CONFLICT (in use), STORE_UNAVAILABLE
 */
export function makeDiscardVersion({
  audited,
  index,
  askPolicy,
  mutations,
  clock,
}: DiscardVersionPorts): Handler<typeof discardVersion> {
  return audited<typeof discardVersion>('version.discarded', async (request, call, attempt) => {
    const { credentialId, rotationId, version } = request;
    attempt.note({ rotationId });
    const permit = (lookup: Lookup) =>
      permitLookup(
        { askPolicy, call, attempt, nowMs: clock.now() },
        'version.prepare',
        { credentialId },
        lookup,
      );
    permit(await index.findById(credentialId));
    return mutations.run(call, async (transaction) => {
      const credential = permit({ credential: await transaction.lockById(credentialId), stale: false });
      attempt.named(credential.name);
      const pending = await versionOfRotation(transaction, credential, request);
      if (discardOf(credential, pending) === 'done')
        return { reply: { credentialId, revision: credential.revision } };
      const left = await writeDiscard(transaction, credential, pending, clock.now());
      attempt.about(left, version);
      await announceRecord(transaction, attempt.success());
      return { reply: { credentialId, revision: left.revision }, changed: left };
    });
  });
}
