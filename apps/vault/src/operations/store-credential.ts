import { type Finding, type ReplyOf, type RequestOf, type storeCredential } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Call, Handler } from '@keymesh/mesh';
import { v7 as uuidv7 } from 'uuid';
import { credentialResource, namespaceResource, type AskPolicy } from '../domain/access.js';
import { announcePromoted, announceRecord } from '../domain/announcements.js';
import type { Attempt, Audited } from '../domain/audit-trail.js';
import type { Credential } from '../domain/credential.js';
import { findWeaknesses, refuseWeak } from '../domain/credential-policy.js';
import { assembleValues, checkExpectation, draftCredential, requestedMetadata } from '../domain/draft.js';
import type { Mutations, MutationTransaction } from '../domain/mutations.js';
import { canonicalName, namespaceOf } from '../domain/name.js';
import { disposeValues, type Values } from '../domain/parts.js';
import type { MetadataIndex, OpenNamespace, ValueVault } from '../domain/ports.js';
import { addCurrent } from '../domain/stages.js';
import { credentialTypeOf } from '../domain/types/index.js';
import { checkParts, type CredentialTypePlugin } from '../domain/types/plugin.js';
import { permitOn } from './permit.js';

export interface StoreCredentialPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly askPolicy: AskPolicy;
  readonly values: Pick<ValueVault, 'openNamespace'>;
  readonly mutations: Mutations;
  readonly clock: Clock;
}

type Request = RequestOf<typeof storeCredential>;
type Reply = ReplyOf<typeof storeCredential>;

/**
 * Stores a new credential, or the next version of one: decide → check the value → one transaction with rows, record and event.
 * @throws CREDENTIAL_TYPE_UNKNOWN, DENIED, CREDENTIAL_VALUES_INVALID, CREDENTIAL_EMPTY, CREDENTIAL_WEAK, PAYLOAD_TOO_LARGE,
 *   CREDENTIAL_EXISTS, CREDENTIAL_NOT_FOUND, VERSION_CONFLICT, ROTATION_IN_PROGRESS, STORE_UNAVAILABLE, KMS_UNAVAILABLE;
 *   then nothing is stored.
 */
export function makeStoreCredential(ports: StoreCredentialPorts): Handler<typeof storeCredential> {
  return ports.audited<typeof storeCredential>('credential.stored', async (request, call, attempt) => {
    const name = canonicalName(request.name);
    attempt.named(name);
    const plugin = credentialTypeOf(request.type);
    permitStore(ports, name, (await ports.index.findByName(name)).credential, call, attempt);

    const { values, generated } = assembleValues(plugin, request);
    try {
      const findings = checkValue(plugin, values);
      const namespace = await ports.values.openNamespace(namespaceOf(name));
      return await ports.mutations.run(call, async (transaction) => {
        const existing = await transaction.lockByName(name);
        // Once more on the locked row: its owner or tags may have changed since memory was asked.
        permitStore(ports, name, existing, call, attempt);
        checkExpectation(existing, request);
        const stored = await writeVersion(ports, transaction, {
          existing,
          request,
          values,
          namespace,
          by: call.principal,
        });
        attempt.about(stored, stored.currentVersion);
        await announceRecord(transaction, attempt.success());
        await announcePromoted(transaction, stored, call, ports.clock.now());
        return { reply: replyOf(stored, existing === undefined, findings), changed: stored };
      });
    } finally {
      disposeValues(generated);
    }
  });
}

function permitStore(
  { askPolicy, clock }: StoreCredentialPorts,
  name: string,
  existing: Credential | undefined,
  call: Call,
  attempt: Attempt,
): void {
  const nowMs = clock.now();
  if (existing !== undefined) attempt.about(existing);
  permitOn(
    { askPolicy, call, attempt, nowMs },
    'store',
    existing === undefined ? namespaceResource(namespaceOf(name)) : credentialResource(existing, nowMs),
  );
}

/** @returns what the policy warns of. @throws what it refuses */
function checkValue(plugin: CredentialTypePlugin, values: Values): Finding[] {
  checkParts(plugin, values);
  const primary = values[plugin.primaryPart];
  const findings = primary === undefined ? [] : findWeaknesses(primary, plugin.strength);
  refuseWeak(findings);
  return findings;
}

interface NewVersion {
  readonly existing: Credential | undefined;
  readonly request: Request;
  readonly values: Values;
  readonly namespace: OpenNamespace;
  readonly by: string;
}

/** @returns the credential as it now stands. */
async function writeVersion(
  { clock }: StoreCredentialPorts,
  transaction: MutationTransaction,
  { existing, request, values, namespace, by }: NewVersion,
): Promise<Credential> {
  const change = { nowMs: clock.now(), revision: await transaction.nextRevision() };
  const { namespaceId } = namespace;
  const { credential, changes } =
    existing === undefined
      ? {
          credential: draftCredential(request, { ...change, credentialId: uuidv7(), namespaceId, owner: by }),
          changes: [],
        }
      : addCurrent({ ...existing, ...requestedMetadata(request) }, change);
  const { credentialId, currentVersion: version } = credential;
  const sealed = namespace.seal({ credentialId, version }, values);

  await (existing === undefined
    ? transaction.insertCredential(credential)
    : transaction.updateCredential(credential));
  await transaction.setStages(credentialId, changes, change.revision);
  await transaction.insertVersion({
    ...sealed,
    credentialId,
    version,
    stage: 'current',
    createdBy: by,
    createdAtMs: change.nowMs,
    rotationId: null,
    strengthScore: null,
    fingerprint: null,
    destroyedAtMs: null,
    revision: change.revision,
  });
  return credential;
}

const replyOf = (stored: Credential, created: boolean, findings: Finding[]): Reply => ({
  credentialId: stored.credentialId,
  name: stored.name,
  version: stored.currentVersion,
  revision: stored.revision,
  created,
  findings,
});
