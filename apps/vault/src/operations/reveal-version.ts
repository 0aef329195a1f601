import { failure, type revealVersion } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { liveStageOf } from '../domain/credential.js';
import { disposeValues } from '../domain/parts.js';
import type { ListVersions, MetadataIndex, ValueVault } from '../domain/ports.js';
import { permitLookup } from './permit.js';

export interface RevealVersionPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findById'>;
  readonly askPolicy: AskPolicy;
  readonly listVersions: ListVersions;
  readonly values: Pick<ValueVault, 'open'>;
  readonly clock: Clock;
}

/**
 * The values of one version for the rotation that is under way: its own pending version, or the current and previous ones beside it.
 * INVARIANT: as in retrieveCredential, no value is returned before its record is durable.
 * @throws CREDENTIAL_NOT_FOUND, DENIED, VERSION_NOT_FOUND (no such open rotation, or not a version that it may see),
 *   AUDIT_UNAVAILABLE, CREDENTIAL_DAMAGED, KMS_UNAVAILABLE, STORE_UNAVAILABLE
 */
export function makeRevealVersion(ports: RevealVersionPorts): Handler<typeof revealVersion> {
  const { audited, index, askPolicy, listVersions, values, clock } = ports;
  return audited<typeof revealVersion>('version.revealed', async (request, call, attempt) => {
    const { credentialId, rotationId, version } = request;
    attempt.note({ rotationId });
    const question = { askPolicy, call, attempt, nowMs: clock.now() };
    const credential = permitLookup(
      question,
      'version.reveal',
      { credentialId },
      await index.findById(credentialId),
      { version },
    );
    attempt.named(credential.name);
    attempt.about(credential, version);

    // Rare and by id: read from Postgres, so that a rotation never works with what memory remembers.
    const versions = await listVersions(credentialId);
    const isOpen = versions.some(
      (row) => row.rotationId === rotationId && (row.stage === 'pending' || row.stage === 'current'),
    );
    const sealed = versions.find((row) => row.version === version);
    const stage = liveStageOf(credential, version);
    if (!isOpen || sealed === undefined || stage === undefined || sealed.stage !== stage)
      throw failure('VERSION_NOT_FOUND');

    const opened = await values.open({ namespaceId: credential.namespaceId, credentialId, version }, sealed);
    try {
      await attempt.succeeded();
    } catch (error) {
      disposeValues(opened);
      throw error;
    }
    return { credentialId, version, stage, values: opened };
  });
}
