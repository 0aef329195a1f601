import type { credentialHistory } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { canonicalName } from '../domain/name.js';
import type { ListVersions, MetadataIndex } from '../domain/ports.js';
import { permitLookup } from './permit.js';

export interface CredentialHistoryPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly askPolicy: AskPolicy;
  readonly listVersions: ListVersions;
  readonly clock: Clock;
}

/** Every version there ever was, oldest first: who may describe a credential may see them. @throws as describeCredential */
export function makeCredentialHistory(ports: CredentialHistoryPorts): Handler<typeof credentialHistory> {
  const { audited, index, askPolicy, listVersions, clock } = ports;
  return audited<typeof credentialHistory>('credential.history-read', async (request, call, attempt) => {
    const name = canonicalName(request.name);
    attempt.named(name);
    const lookup = await index.findByName(name);
    const { credentialId } = permitLookup(
      { askPolicy, call, attempt, nowMs: clock.now() },
      'describe',
      { name },
      lookup,
    );
    const versions = await listVersions(credentialId);
    await attempt.succeeded();
    return {
      credentialId,
      name,
      versions: versions.map(({ version, stage, createdAtMs, createdBy }) => ({
        version,
        stage,
        createdAt: new Date(createdAtMs).toISOString(),
        createdBy,
      })),
    };
  });
}
