import type { promoteVersion } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import { announcePromoted, announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import type { Mutations } from '../domain/mutations.js';
import type { Lookup, MetadataIndex } from '../domain/ports.js';
import { promotionOf, versionOfRotation, writePromotion } from '../domain/rotation.js';
import { permitLookup } from './permit.js';

export interface PromoteVersionPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findById'>;
  readonly askPolicy: AskPolicy;
  readonly mutations: Mutations;
  readonly clock: Clock;
}

/**
 * pending → current, current → previous, previous → revoked. Asked again after success it changes nothing.
 * @throws CREDENTIAL_NOT_FOUND, DENIED, VERSION_NOT_FOUND (not of this rotation), VERSION_CONFLICT (discarded), STORE_UNAVAILABLE
 */
export function makePromoteVersion({
  audited,
  index,
  askPolicy,
  mutations,
  clock,
}: PromoteVersionPorts): Handler<typeof promoteVersion> {
  return audited<typeof promoteVersion>('version.promoted', async (request, call, attempt) => {
    const { credentialId, version, rotationId } = request;
    attempt.note({ rotationId });
    const permit = (lookup: Lookup) =>
      permitLookup(
        { askPolicy, call, attempt, nowMs: clock.now() },
        'version.promote',
        { credentialId },
        lookup,
      );
    permit(await index.findById(credentialId));
    return mutations.run(call, async (transaction) => {
      const credential = permit({ credential: await transaction.lockById(credentialId), stale: false });
      attempt.named(credential.name);
      const pending = await versionOfRotation(transaction, credential, request);
      if (promotionOf(credential, pending) === 'done') {
        return { reply: { credentialId, version, revision: credential.revision } };
      }
      const promoted = await writePromotion(transaction, credential, pending, clock.now());
      attempt.about(promoted, version);
      await announceRecord(transaction, attempt.success());
      await announcePromoted(transaction, promoted, call, clock.now());
      // The version that was previous until now is revoked, so nobody may be left that still hands it out.
      return {
        reply: { credentialId, version, revision: promoted.revision },
        changed: { ...promoted, awaitEveryone: true },
      };
    });
  });
}
