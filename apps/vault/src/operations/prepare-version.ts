import { failure, type prepareVersion, type RequestOf } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Call, Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import type { Credential } from '../domain/credential.js';
import type { Mutations, MutationTransaction } from '../domain/mutations.js';
import { disposeValues, type Values } from '../domain/parts.js';
import type { Lookup, MetadataIndex, OpenNamespace, ValueVault } from '../domain/ports.js';
import { refuseWeak } from '../domain/quality/assess-quality.js';
import type { JudgeValue } from '../domain/quality/judge-value.js';
import { addPending } from '../domain/stages.js';
import { credentialTypeOf } from '../domain/types/index.js';
import { permitLookup } from './permit.js';

export interface PrepareVersionPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findById'>;
  readonly askPolicy: AskPolicy;
  readonly values: ValueVault;
  readonly mutations: Mutations;
  readonly judgeValue: JudgeValue;
  readonly clock: Clock;
}

type Request = RequestOf<typeof prepareVersion>;
const GENERATED_CHARS = { least: 16, most: 256 };

/**
 * Makes the pending version of a rotation, of the given values or generated; asked again for the same rotation it finds the same one.
 * @throws CREDENTIAL_NOT_FOUND, DENIED, ROTATION_UNSUPPORTED, ROTATION_IN_PROGRESS (of another rotation), CREDENTIAL_WEAK,
 *   CREDENTIAL_VALUES_INVALID, STORE_UNAVAILABLE, KMS_UNAVAILABLE
 */
export function makePrepareVersion(ports: PrepareVersionPorts): Handler<typeof prepareVersion> {
  const { audited, index, mutations } = ports;
  return audited<typeof prepareVersion>('version.prepared', async (request, call, attempt) => {
    const { credentialId, rotationId } = request;
    const permit = (lookup: Lookup) =>
      permitLookup(
        { askPolicy: ports.askPolicy, call, attempt, nowMs: ports.clock.now() },
        'version.prepare',
        { credentialId },
        lookup,
      );
    const known = permit(await index.findById(credentialId));
    attempt.named(known.name);
    attempt.note({ rotationId });
    // Before the transaction, so that no row is locked while a KMS is waited for or a value is judged.
    const score = await judgeGiven(ports, known, request);
    const namespace = await ports.values.openNamespace(known.namespace);

    return mutations.run(call, async (transaction) => {
      const credential = permit({ credential: await transaction.lockById(credentialId), stale: false });
      const made = await transaction.findVersionOfRotation(credentialId, rotationId);
      if (made !== undefined)
        return { reply: { credentialId, version: made.version, revision: credential.revision } };
      if (credential.rotation === null) throw failure('ROTATION_UNSUPPORTED');
      if (credential.pendingVersion !== null) throw failure('ROTATION_IN_PROGRESS');
      const prepared = await writePending(ports, transaction, {
        ...{ credential, request, score, namespace, call },
      });
      attempt.about(prepared, prepared.lastVersion);
      await announceRecord(transaction, attempt.success());
      return {
        reply: { credentialId, version: prepared.lastVersion, revision: prepared.revision },
        changed: prepared,
      };
    });
  });
}

interface Pending {
  readonly credential: Credential;
  readonly request: Request;
  readonly score: number | null;
  readonly namespace: OpenNamespace;
  readonly call: Call;
}

/** @returns the credential with its pending version. */
async function writePending(
  ports: PrepareVersionPorts,
  transaction: MutationTransaction,
  { credential, request, score: strengthScore, namespace, call }: Pending,
): Promise<Credential> {
  const { credentialId } = credential;
  const { compress, primaryPart } = credentialTypeOf(credential.type);
  const values = await valuesOf(ports, transaction, credential, request);
  try {
    const change = { nowMs: ports.clock.now(), revision: await transaction.nextRevision() };
    const { credential: prepared } = addPending(credential, change);
    const version = prepared.lastVersion;
    const sealed = namespace.seal({ credentialId, version }, values, { compress });
    const primary = values[primaryPart];
    const fingerprinted =
      primary === undefined ? undefined : await transaction.fingerprintValue(credential, primary);
    await transaction.updateCredential(prepared);
    await transaction.insertVersion({
      ...sealed,
      credentialId,
      version,
      stage: 'pending',
      createdBy: call.principal,
      createdAtMs: change.nowMs,
      rotationId: request.rotationId,
      strengthScore,
      fingerprint: fingerprinted?.fingerprint ?? null,
      destroyedAtMs: null,
      revision: change.revision,
    });
    return prepared;
  } finally {
    if (request.values === undefined) disposeValues(values);
  }
}

/** What the vault generates is as strong as it gets. @returns the score. @throws CREDENTIAL_WEAK, CREDENTIAL_VALUES_INVALID */
async function judgeGiven(
  { judgeValue }: PrepareVersionPorts,
  { name, type, provider }: Credential,
  { values }: Request,
): Promise<number | null> {
  if (values === undefined) return 100;
  const { score, findings } = await judgeValue({ plugin: credentialTypeOf(type), values, name, provider });
  refuseWeak(findings);
  return score;
}

/** What the rotation gave, or the current value with what the type generates made anew, of the same length. Generated ones the caller disposes. */
async function valuesOf(
  ports: PrepareVersionPorts,
  transaction: MutationTransaction,
  credential: Credential,
  { values }: Request,
): Promise<Values> {
  if (values !== undefined) return values;
  const { generate, primaryPart } = credentialTypeOf(credential.type);
  if (generate === undefined) throw failure('ROTATION_UNSUPPORTED');
  const { namespaceId, credentialId, currentVersion: version } = credential;
  const current = await transaction.findVersion(credentialId, version);
  if (current?.stage !== 'current') throw failure('CREDENTIAL_DAMAGED');
  const before = await ports.values.open({ namespaceId, credentialId, version }, current);
  const lengthChars = Math.min(
    Math.max(before[primaryPart]?.sizeBytes ?? 0, GENERATED_CHARS.least),
    GENERATED_CHARS.most,
  );
  const made = await generate({ lengthChars, before });
  for (const name of Object.keys(made)) before[name]?.dispose();
  return { ...before, ...made };
}
