import type { destroyKey } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import type { KeyMutations } from '../domain/key-jobs.js';
import { permitOn } from './permit.js';

export interface DestroyKeyPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly keyMutations: KeyMutations;
  readonly clock: Clock;
}

/**
 * Wipes a retired KEK that wraps nothing any more: what an older backup or dump still holds under it stays closed to whoever has only this
 * database. @throws DENIED, NAMESPACE_NOT_FOUND, KEY_IN_USE (active, or it still wraps rows), STORE_UNAVAILABLE
 */
export function makeDestroyKey({
  audited,
  askPolicy,
  keyMutations,
  clock,
}: DestroyKeyPorts): Handler<typeof destroyKey> {
  return audited<typeof destroyKey>(
    'namespace-key.destroyed',
    async ({ namespace, version }, call, attempt) => {
      attempt.concerns('namespace', namespace);
      permitOn({ askPolicy, call, attempt, nowMs: clock.now() }, 'key.rotate', namespaceResource(namespace));
      return keyMutations.run(call, async (transaction) => {
        const { kekId } = await transaction.destroyKek(namespace, version);
        attempt.note({ kekId, kekVersion: version });
        await announceRecord(transaction, attempt.success());
        return { namespace, kekId, version };
      });
    },
  );
}
