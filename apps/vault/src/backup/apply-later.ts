import type { EntityManager } from 'typeorm';
import type { Credential, CredentialVersion } from '../domain/credential.js';
import type { RowSeal } from '../domain/row-mac.js';
import { CredentialEntity, fromCredential } from '../store/entities/credential.entity.js';
import { CredentialVersionEntity, fromVersion } from '../store/entities/credential-version.entity.js';
import { openCredentialRow, openVersionRow } from '../store/sealed-rows.js';
import { credentialRows } from './credential-rows.js';
import type { LaterCredential, LaterRecords } from './later-records.js';

/** Numbers are skipped by this where nobody knows which were given after the backup. */
export const UNKNOWN_VERSIONS_STEP = 1_000_000;

export interface AppliedLater {
  readonly credentialsRaised: number;
  readonly credentialsDeleted: number;
  readonly credentialsDeactivated: number;
  readonly versionsDestroyed: number;
}

/**
 * Applies to restored rows what happened after their backup: no version number is given twice, and what was deleted, deactivated,
 * destroyed or purged is so again. Values that were destroyed later are wiped. Every row it changes gets a revision of the new epoch.
 * @param manager of one transaction over the restored database.
 * @throws CREDENTIAL_DAMAGED when a restored row is not as the vault wrote it.
 */
export async function applyLater(
  manager: EntityManager,
  {
    seal,
    later,
    unknown,
  }: { readonly seal: RowSeal; readonly later: LaterRecords; readonly unknown: ReadonlySet<string> },
): Promise<AppliedLater> {
  const applied = {
    credentialsRaised: 0,
    credentialsDeleted: 0,
    credentialsDeactivated: 0,
    versionsDestroyed: 0,
  };
  for await (const row of credentialRows(manager)) {
    const before = openCredentialRow(seal, row);
    const isUnknown = later.source === 'none' || unknown.has(before.credentialId);
    const known = later.credentials.get(before.credentialId);
    const after = isUnknown
      ? raised(before, before.lastVersion + UNKNOWN_VERSIONS_STEP)
      : withLater(before, known);
    const destroyed = await destroyVersions(manager, seal, before.credentialId, known);
    applied.versionsDestroyed += destroyed;
    if (after === before && destroyed === 0) continue;
    applied.credentialsRaised += Number(after.lastVersion > before.lastVersion);
    applied.credentialsDeleted += Number(after.deletedAtMs !== null && before.deletedAtMs === null);
    applied.credentialsDeactivated += Number(after.status !== before.status);
    await saveCredential(manager, seal, after);
  }
  return applied;
}

const raised = (credential: Credential, lastVersion: number): Credential =>
  lastVersion > credential.lastVersion ? { ...credential, lastVersion } : credential;

/** @returns the very same credential when nothing later concerns it. */
function withLater(before: Credential, later: LaterCredential | undefined): Credential {
  if (later === undefined) return before;
  let credential = raised(before, later.lastVersion);
  if (later.inactive && credential.status === 'active') credential = { ...credential, status: 'inactive' };
  if (later.deletedAtMs !== null && credential.deletedAtMs === null) {
    const { deletedAtMs, recoverableUntilMs } = later;
    credential = { ...credential, deletedAtMs, recoverableUntilMs };
  }
  if (later.purgedAtMs !== null && credential.purgedAtMs === null)
    credential = { ...credential, purgedAtMs: later.purgedAtMs, recoverableUntilMs: null };
  return credential;
}

/** @returns how many were wiped now. */
async function destroyVersions(
  manager: EntityManager,
  seal: RowSeal,
  credentialId: string,
  later: LaterCredential | undefined,
): Promise<number> {
  const purgedAtMs = later?.purgedAtMs ?? null;
  if (later === undefined || (later.destroyed.size === 0 && purgedAtMs === null)) return 0;
  const rows = await manager.getRepository(CredentialVersionEntity).findBy({ credentialId });
  let wiped = 0;
  for (const version of rows.map((row) => openVersionRow(seal, row))) {
    const destroyedAtMs = later.destroyed.get(version.version) ?? purgedAtMs;
    if (destroyedAtMs === null || version.destroyedAtMs !== null) continue;
    await saveVersion(manager, seal, {
      ...version,
      destroyedAtMs,
      ciphertext: new Uint8Array(),
      wrappedDek: new Uint8Array(),
      fingerprint: null,
      revision: await nextRevision(manager),
    });
    wiped += 1;
  }
  return wiped;
}

async function saveCredential(manager: EntityManager, seal: RowSeal, credential: Credential): Promise<void> {
  const row = { ...credential, revision: await nextRevision(manager) };
  const { credentialId } = row;
  await manager
    .getRepository(CredentialEntity)
    .update({ credentialId }, fromCredential(row, seal.credentialMac(row)));
}

async function saveVersion(manager: EntityManager, seal: RowSeal, row: CredentialVersion): Promise<void> {
  const { credentialId, version } = row;
  await manager
    .getRepository(CredentialVersionEntity)
    .update({ credentialId, version }, fromVersion(row, seal.versionMac(row)));
}

async function nextRevision(manager: EntityManager): Promise<number> {
  const [row] = await manager.query<{ revision: string }[]>(`SELECT nextval('vault.revision') AS revision`);
  return Number(row?.revision);
}
