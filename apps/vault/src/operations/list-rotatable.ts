import { failure, type listRotatable } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { credentialResource, namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { toMetadata } from '../domain/credential.js';
import { canonicalName } from '../domain/name.js';
import type { MetadataIndex } from '../domain/ports.js';
import { describable } from './list-credentials.js';
import { permitOn } from './permit.js';

export interface ListRotatablePorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'listByName'>;
  readonly askPolicy: AskPolicy;
  readonly clock: Clock;
}

/**
 * What the rotation service schedules by: every credential with rotation settings, or the one that it asks for, whatever its settings.
 * @throws DENIED, AUDIT_UNAVAILABLE; STORE_UNAVAILABLE while nobody can know that the one it asks for is missing.
 */
export function makeListRotatable({
  audited,
  index,
  askPolicy,
  clock,
}: ListRotatablePorts): Handler<typeof listRotatable> {
  return audited<typeof listRotatable>('version.listed', async ({ credentialId, name }, call, attempt) => {
    const nowMs = clock.now();
    permitOn({ askPolicy, call, attempt, nowMs }, 'list', namespaceResource('*'));
    const { credentials, stale } = await index.listByName();
    const asked = name === undefined ? undefined : canonicalName(name);
    const candidates = credentials.filter((credential) =>
      credentialId === undefined && asked === undefined
        ? credential.rotation !== null
        : (credentialId === undefined || credential.credentialId === credentialId) &&
          (asked === undefined || credential.name === asked),
    );
    // INVARIANT: as in permitLookup: while Postgres is away a credential that is not in memory may have just been stored.
    const asksForOne = credentialId !== undefined || asked !== undefined;
    if (stale && asksForOne && candidates.length === 0) throw failure('STORE_UNAVAILABLE');
    const permitted = await describable(
      candidates,
      Infinity,
      (credential) => askPolicy(call, 'describe', credentialResource(credential, nowMs)).permitted,
    );
    attempt.note({ credentials: permitted.length, ...(stale ? { stale } : {}) });
    await attempt.succeeded();
    return { credentials: permitted.map((credential) => toMetadata(credential, nowMs)) };
  });
}
