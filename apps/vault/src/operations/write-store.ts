import type { Finding, ReplyOf, storeCredential } from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import { v7 as uuidv7 } from 'uuid';
import { announcePromoted, announceRecord } from '../domain/announcements.js';
import type { Attempt } from '../domain/audit-trail.js';
import type { Credential } from '../domain/credential.js';
import { checkExpectation, draftCredential, effectiveExpiry, requestedMetadata } from '../domain/draft.js';
import type { Fingerprinted, MutationTransaction } from '../domain/mutations.js';
import { namespaceOf } from '../domain/name.js';
import type { OpenNamespace } from '../domain/ports.js';
import { refuseWeak, sorted, toFindings } from '../domain/quality/assess-quality.js';
import { scoreWith } from '../domain/quality/quality-score.js';
import { addCurrent } from '../domain/stages.js';
import { permitStore, type PreparedStore, type StorePorts } from './store-steps.js';

interface StoreInTransaction {
  readonly prepared: PreparedStore;
  readonly namespace: OpenNamespace;
  readonly call: Call;
  readonly attempt: Attempt;
}

/** What is answered. */
export const storedReply = ({ stored, created, findings }: Stored): ReplyOf<typeof storeCredential> => ({
  credentialId: stored.credentialId,
  name: stored.name,
  version: stored.currentVersion,
  revision: stored.revision,
  created,
  score: stored.strengthScore,
  findings: [...findings],
});

export interface Stored {
  readonly stored: Credential;
  readonly created: boolean;
  readonly findings: readonly Finding[];
}

/**
 * In the transaction: rows, record and event.
 * @throws DENIED, CREDENTIAL_EXISTS, CREDENTIAL_NOT_FOUND, VERSION_CONFLICT, ROTATION_IN_PROGRESS, BAD_REQUEST, CREDENTIAL_WEAK
 */
export async function writeStore(
  ports: StorePorts,
  transaction: MutationTransaction,
  { prepared, namespace, call, attempt }: StoreInTransaction,
): Promise<Stored> {
  const { name, request } = prepared;
  const existing = await transaction.lockByName(name);
  // Once more on the locked row: its owner or tags may have changed since memory was asked.
  permitStore(ports, { name, existing, call, attempt });
  checkExpectation(existing, request);
  const { stored, findings } = await writeVersion(ports, transaction, {
    ...{ existing, prepared, namespace, by: call.principal },
  });
  attempt.about(stored, stored.currentVersion);
  await announceRecord(transaction, attempt.success());
  await announcePromoted(transaction, stored, call, ports.clock.now());
  return { stored, created: existing === undefined, findings };
}

interface NewVersion {
  readonly existing: Credential | undefined;
  readonly prepared: PreparedStore;
  readonly namespace: OpenNamespace;
  readonly by: string;
}

async function writeVersion(
  ports: StorePorts,
  transaction: MutationTransaction,
  { existing, prepared, namespace, by }: NewVersion,
): Promise<{ readonly stored: Credential; readonly findings: readonly Finding[] }> {
  const change = { nowMs: ports.clock.now(), revision: await transaction.nextRevision() };
  const { plugin, name, request, values, quality } = prepared;
  const { namespaceId } = namespace;
  const policy = ports.credentialPolicyOf(namespaceOf(name), plugin.type);
  const { credential, changes } =
    existing === undefined
      ? {
          credential: draftCredential(request, {
            ...{ ...change, credentialId: uuidv7(), namespaceId, owner: by, policy },
          }),
          changes: [],
        }
      : addCurrent({ ...existing, ...requestedMetadata(request) }, change);
  const { credentialId, currentVersion: version } = credential;
  const { fingerprint, found } = await compareValue(transaction, prepared, { ...credential });
  const findings = sorted([...quality.findings, ...found]);
  refuseWeak(findings);
  const strengthScore = scoreWith(quality.score, found);
  const expiresAtMs = effectiveExpiry(plugin, request, credential.expiresAtMs, quality.expiresAtMs);
  const stored = { ...credential, strengthScore, expiresAtMs };

  await (existing === undefined
    ? transaction.insertCredential(stored)
    : transaction.updateCredential(stored));
  await transaction.setStages(credentialId, changes, change.revision);
  await transaction.insertVersion({
    ...namespace.seal({ credentialId, version }, values, { compress: plugin.compress }),
    ...{ credentialId, version, strengthScore, fingerprint },
    stage: 'current',
    createdBy: by,
    createdAtMs: change.nowMs,
    rotationId: null,
    destroyedAtMs: null,
    revision: change.revision,
  });
  return { stored, findings };
}

/** Whether the namespace knows the value already; who has it is not said. */
async function compareValue(
  transaction: MutationTransaction,
  { plugin, values }: PreparedStore,
  place: Pick<Credential, 'namespaceId' | 'credentialId' | 'policy'>,
): Promise<{ readonly fingerprint: string | null; readonly found: Finding[] }> {
  const primary = values[plugin.primaryPart];
  if (primary === undefined) return { fingerprint: null, found: [] };
  const compared = await transaction.fingerprintValue(place, primary);
  return {
    fingerprint: compared.fingerprint,
    found: toFindings(plugin, place.policy, new Set(broken(compared))),
  };
}

const broken = ({ reused, repeated }: Fingerprinted): string[] => [
  ...(reused ? ['reused'] : []),
  ...(repeated ? ['repeated'] : []),
];
