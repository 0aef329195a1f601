import type { listRotatable } from '@keymesh/contracts';
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

/** What the rotation service schedules by: every credential with rotation settings, or the one that it asks for, whatever its settings. */
export function makeListRotatable({
  audited,
  index,
  askPolicy,
  clock,
}: ListRotatablePorts): Handler<typeof listRotatable> {
  return audited<typeof listRotatable>('version.listed', async ({ credentialId, name }, call, attempt) => {
    const nowMs = clock.now();
    permitOn({ askPolicy, call, attempt, nowMs }, 'list', namespaceResource('*'));
    const { credentials } = await index.listByName();
    const asked = name === undefined ? undefined : canonicalName(name);
    const candidates = credentials.filter((credential) =>
      credentialId === undefined && asked === undefined
        ? credential.rotation !== null
        : (credentialId === undefined || credential.credentialId === credentialId) &&
          (asked === undefined || credential.name === asked),
    );
    const permitted = await describable(
      candidates,
      Infinity,
      (credential) => askPolicy(call, 'describe', credentialResource(credential, nowMs)).permitted,
    );
    attempt.note({ credentials: permitted.length });
    await attempt.succeeded();
    return { credentials: permitted.map((credential) => toMetadata(credential, nowMs)) };
  });
}
