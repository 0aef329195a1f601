import type { rotateKey } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import type { KeyMutations } from '../domain/key-jobs.js';
import type { WrappedKek } from '../kms/keyring.js';
import { permitOn } from './permit.js';

export interface RotateKeyPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly keyMutations: KeyMutations;
  /** A fresh KEK, wrapped and read back. @throws KMS_UNAVAILABLE, VAULT_LOCKED */
  readonly wrapNewKek: (place: {
    readonly namespaceId: string;
    readonly version: number;
  }) => Promise<WrappedKek>;
  readonly clock: Clock;
}

/**
 * Gives a namespace a new active KEK. Once it has answered, every instance wraps with it; the older ones open what they wrapped, until
 * `rewrapKeys` has moved it and somebody destroys them.
 * @throws DENIED, NAMESPACE_NOT_FOUND, KMS_UNAVAILABLE, VAULT_LOCKED, STORE_UNAVAILABLE; then nothing was changed.
 */
export function makeRotateKey(ports: RotateKeyPorts): Handler<typeof rotateKey> {
  const { audited, askPolicy, keyMutations, wrapNewKek, clock } = ports;
  return audited<typeof rotateKey>('namespace-key.rotated', async ({ namespace }, call, attempt) => {
    attempt.concerns('namespace', namespace);
    permitOn({ askPolicy, call, attempt, nowMs: clock.now() }, 'key.rotate', namespaceResource(namespace));
    return keyMutations.run(call, async (transaction) => {
      const { namespaceId, latestVersion } = await transaction.lockNamespace(namespace);
      // The KMS is asked under the namespace's lock: only another rotation of this namespace waits for it.
      const kek = await wrapNewKek({ namespaceId, version: latestVersion + 1 });
      await transaction.activateKek(kek);
      attempt.note({ kekId: kek.kekId, kekVersion: kek.version });
      await announceRecord(transaction, attempt.success());
      return { namespace, kekId: kek.kekId, version: kek.version };
    });
  });
}
