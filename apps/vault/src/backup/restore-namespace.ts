import { subjects, type AuditRecord } from '@keymesh/contracts';
import { MINUTE, KeymeshError, type Clock } from '@keymesh/kernel';
import { encodeLeaf, type Call } from '@keymesh/mesh';
import type { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { announcePromoted } from '../domain/announcements.js';
import type { Credential, CredentialVersion } from '../domain/credential.js';
import type { MutationTransaction } from '../domain/mutations.js';
import { disposeValues } from '../domain/parts.js';
import type { OpenNamespace } from '../domain/ports.js';
import type { RowSeal } from '../domain/row-mac.js';
import { addCurrent } from '../domain/stages.js';
import { makeKeyring } from '../kms/keyring.js';
import type { Kms } from '../kms/kms.js';
import { makeValueVault } from '../kms/value-vault.js';
import { CredentialEntity } from '../store/entities/credential.entity.js';
import { CredentialVersionEntity } from '../store/entities/credential-version.entity.js';
import { makeKekStore } from '../store/kek-store.js';
import { makeMutations } from '../store/mutations.js';
import { openCredentialRow, openVersionRow } from '../store/sealed-rows.js';

export interface RestoreNamespace {
  /** A loaded backup, beside the mesh. */
  readonly source: DataSource;
  /** The mesh's own database; its vault may run. */
  readonly live: DataSource;
  readonly kms: Kms;
  readonly seal: RowSeal;
  readonly namespace: string;
  /** Namespace that they go to; the same one for a return to what was. */
  readonly into: string;
  readonly clock: Clock;
}

/** What became of one credential. `unchanged`: it holds that very version still. */
type Outcome =
  'new-version' | 'new-credential' | 'unchanged' | 'destroyed-since' | 'rotation-in-progress' | 'other-type';
export type RestoredNamespace = Readonly<Record<Outcome | 'damaged', number>>;

/**
 * Puts the credentials of a namespace back as a backup has them: each becomes a new version of the credential of its name, or a new
 * credential, in one mutation with its audit record. Numbers go on, nothing is overwritten, and what was destroyed since stays so.
 * A running vault sees each within a second.
 * @throws STORE_UNAVAILABLE, KMS_UNAVAILABLE; what was put back before stays.
 */
export async function restoreNamespace(ports: RestoreNamespace): Promise<RestoredNamespace> {
  const { source, live, kms, seal, namespace, into, clock } = ports;
  const then = makeValueVault(makeKeyring({ kms, store: makeKekStore(source), clock }));
  const now = makeValueVault(makeKeyring({ kms, store: makeKekStore(live), clock }));
  const mutations = makeMutations({ dataSource: live, seal, afterCommit: () => Promise.resolve() });
  const counts: Record<keyof RestoredNamespace, number> = {
    'new-version': 0,
    'new-credential': 0,
    unchanged: 0,
    'destroyed-since': 0,
    'rotation-in-progress': 0,
    'other-type': 0,
    damaged: 0,
  };
  const rows = await source.getRepository(CredentialEntity).findBy({ namespace });
  for (const row of rows.filter(({ deletedAt }) => deletedAt === null)) {
    try {
      const { credential, version } = await readThen(source, seal, row);
      const { namespaceId, credentialId } = credential;
      const values = await then.open({ namespaceId, credentialId, version: version.version }, version);
      try {
        const target = await now.openNamespace(into);
        const name = nameIn(into, credential);
        const { outcome } = await mutations.run(makeCall(), async (transaction) => {
          const kept = {
            credential,
            version,
            name,
            into,
            target,
            seal: (binding: Parameters<OpenNamespace['seal']>[0]) => target.seal(binding, values),
          };
          const outcome = await putBack(transaction, kept, clock);
          return { reply: { outcome } };
        });
        counts[outcome] += 1;
      } finally {
        disposeValues(values);
      }
    } catch (error) {
      // One that does not open must not keep the others from coming back.
      if (!KeymeshError.is(error) || error.code !== 'CREDENTIAL_DAMAGED') throw error;
      counts.damaged += 1;
    }
  }
  return counts;
}

interface Kept {
  readonly credential: Credential;
  readonly version: CredentialVersion;
  readonly name: string;
  readonly into: string;
  readonly target: OpenNamespace;
  readonly seal: (binding: Parameters<OpenNamespace['seal']>[0]) => ReturnType<OpenNamespace['seal']>;
}

async function readThen(
  source: DataSource,
  seal: RowSeal,
  row: CredentialEntity,
): Promise<{ credential: Credential; version: CredentialVersion }> {
  const credential = openCredentialRow(seal, row);
  const { credentialId, currentVersion } = credential;
  const version = await source
    .getRepository(CredentialVersionEntity)
    .findOneByOrFail({ credentialId, version: currentVersion });
  return { credential, version: openVersionRow(seal, version) };
}

async function putBack(transaction: MutationTransaction, kept: Kept, clock: Clock): Promise<Outcome> {
  const { credential: then, version: thenVersion, name } = kept;
  const existing = await transaction.lockByName(name);
  const same = await transaction.findVersion(then.credentialId, thenVersion.version);
  // INVARIANT: a value that was destroyed after the backup does not come back under any name.
  if (thenVersion.destroyedAtMs !== null || (same?.destroyedAtMs ?? null) !== null) return 'destroyed-since';
  if (existing?.credentialId === then.credentialId && existing.currentVersion === thenVersion.version)
    return 'unchanged';
  if (existing !== undefined && existing.type !== then.type) return 'other-type';
  if (existing !== undefined && existing.pendingVersion !== null) return 'rotation-in-progress';

  const change = { nowMs: clock.now(), revision: await transaction.nextRevision() };
  const { credential, changes } =
    existing === undefined
      ? { credential: newCredential(kept, change), changes: [] }
      : addCurrent({ ...existing, strengthScore: then.strengthScore }, change);
  const { credentialId, currentVersion: version } = credential;
  await (existing === undefined
    ? transaction.insertCredential(credential)
    : transaction.updateCredential(credential));
  await transaction.setStages(credentialId, changes, change.revision);
  await transaction.insertVersion({
    ...thenVersion,
    ...kept.seal({ credentialId, version }),
    ...{ credentialId, version, revision: change.revision },
    stage: 'current',
    createdBy: RESTORER,
    createdAtMs: change.nowMs,
    rotationId: null,
    // Keyed by namespace: in another one it would say nothing.
    fingerprint: credential.namespaceId === then.namespaceId ? thenVersion.fingerprint : null,
  });
  await announce(transaction, credential, then, thenVersion.version, change.nowMs);
  return existing === undefined ? 'new-credential' : 'new-version';
}

/** Who made a version that came from a backup: somebody on the vault's own host, whom no channel proves. */
const RESTORER = '_vault';

const makeCall = (): Call => ({
  principal: RESTORER,
  sessionId: undefined,
  requestId: uuidv7(),
  deadlineAt: performance.now() + MINUTE,
  traceparent: undefined,
  channel: 'encrypted',
});

const nameIn = (into: string, { name }: Credential): string => {
  const last = name.slice(name.lastIndexOf('/') + 1);
  return into === 'default' ? last : `${into}/${last}`;
};

const newCredential = (
  { credential, name, into, target }: Kept,
  { nowMs, revision }: { readonly nowMs: number; readonly revision: number },
): Credential => ({
  ...credential,
  ...{ name, namespace: into, namespaceId: target.namespaceId, revision },
  credentialId: uuidv7(),
  currentVersion: 1,
  previousVersion: null,
  pendingVersion: null,
  lastVersion: 1,
  versionCreatedAtMs: nowMs,
  createdAtMs: nowMs,
  updatedAtMs: nowMs,
});

async function announce(
  transaction: MutationTransaction,
  stored: Credential,
  from: Credential,
  fromVersion: number,
  nowMs: number,
): Promise<void> {
  const { credentialId, currentVersion: version, revision } = stored;
  const record: AuditRecord = {
    v: 1,
    id: uuidv7(),
    time: new Date(nowMs).toISOString(),
    type: 'version.restored',
    service: 'vault',
    instance: 'restore',
    outcome: 'success',
    resource: { kind: 'credential', id: credentialId, version, revision },
    facts: { fromCredential: from.credentialId, fromVersion },
  };
  await transaction.announce({
    kind: 'journal',
    id: record.id,
    subject: subjects.journal('vault'),
    payload: encodeLeaf(record),
  });
  await announcePromoted(transaction, stored, makeCall(), nowMs);
}
