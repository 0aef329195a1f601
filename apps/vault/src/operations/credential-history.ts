import type { credentialHistory } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { timestampOrNull } from '../domain/credential.js';
import type { DeletedCredentials, ListVersions, MetadataIndex } from '../domain/ports.js';
import { askedOf, findAlsoDeleted, permitLookup } from './permit.js';

export interface CredentialHistoryPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName' | 'findById'>;
  readonly deleted: Pick<DeletedCredentials, 'findById'>;
  readonly askPolicy: AskPolicy;
  readonly listVersions: ListVersions;
  readonly clock: Clock;
}

/** Every version there ever was, oldest first, destroyed ones too: who may describe a credential may see them. @throws as describeCredential */
export function makeCredentialHistory(ports: CredentialHistoryPorts): Handler<typeof credentialHistory> {
  const { audited, askPolicy, listVersions, clock } = ports;
  return audited<typeof credentialHistory>('credential.history-read', async (request, call, attempt) => {
    const asked = askedOf(request);
    if ('name' in asked) attempt.named(asked.name);
    const lookup = await findAlsoDeleted(ports, asked);
    const { credentialId, name } = permitLookup(
      { askPolicy, call, attempt, nowMs: clock.now() },
      'describe',
      asked,
      lookup,
    );
    attempt.named(name);
    const versions = await listVersions(credentialId);
    await attempt.succeeded();
    return {
      credentialId,
      name,
      versions: versions.map(({ version, stage, createdAtMs, createdBy, strengthScore, destroyedAtMs }) => ({
        version,
        stage,
        createdAt: new Date(createdAtMs).toISOString(),
        createdBy,
        strengthScore,
        destroyedAt: timestampOrNull(destroyedAtMs),
      })),
    };
  });
}
