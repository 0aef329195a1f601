import { failure } from '@keymesh/contracts';
import { In, type EntityManager } from 'typeorm';
import type { Credential, CredentialVersion } from '../domain/credential.js';
import type { KeyJob } from '../domain/key-jobs.js';
import type { RowSeal } from '../domain/row-mac.js';
import { CredentialEntity } from './entities/credential.entity.js';
import { CredentialVersionEntity } from './entities/credential-version.entity.js';
import { HOLDS_BYTES } from './key-job-rows.js';
import { openCredentialRow, openVersionRow } from './sealed-rows.js';

/** Where a version stands in the order of a job. */
export interface VersionKey {
  readonly id: string;
  readonly version: number;
}

/** A version with its credential, both locked; `damaged` when a row is not as the vault wrote it. */
export type LockedVersion =
  | { readonly key: VersionKey; readonly credential: Credential; readonly version: CredentialVersion }
  | { readonly key: VersionKey; readonly damaged: true };

const OF_JOB: Readonly<Record<Exclude<KeyJob['kind'], 'rewrap-root'>, string>> = {
  // $4 is the KEK that shall wrap, $5 when the job began: what was stored since has a data key of its own time.
  rewrap: `SELECT v.credential_id AS id, v.version FROM credential_version v JOIN namespace_kek k USING (kek_id)
    WHERE k.namespace_id = $1::uuid AND v.kek_id <> $4::uuid AND $5::timestamptz IS NOT NULL AND $6::uuid IS NULL`,
  reencrypt: `SELECT v.credential_id AS id, v.version FROM credential_version v JOIN credential c USING (credential_id)
    WHERE c.namespace_id = $1::uuid AND $4::uuid IS NOT NULL AND v.created_at <= $5 AND ($6::uuid IS NULL OR c.credential_id = $6::uuid)`,
};

/** The next rows of a job after its cursor, in order, not locked yet. @param activeKekId the KEK that shall wrap */
export function nextVersions(
  manager: EntityManager,
  { kind, namespaceId, cursor, startedAtMs, credentialId }: KeyJob,
  activeKekId: string,
  limit: number,
): Promise<VersionKey[]> {
  if (kind === 'rewrap-root') throw new Error('rewrap-root is not about versions');
  return manager.query(
    `${OF_JOB[kind]} AND v.${HOLDS_BYTES}
       AND ($2::uuid IS NULL OR (v.credential_id, v.version) > ($2::uuid, $3::int))
     ORDER BY v.credential_id, v.version LIMIT $7`,
    [
      namespaceId,
      cursor?.id ?? null,
      cursor?.version ?? 0,
      activeKekId,
      new Date(startedAtMs),
      credentialId,
      limit,
    ],
  );
}

/** The KEKs that wrap these versions. */
export async function kekIdsOf(manager: EntityManager, keys: readonly VersionKey[]): Promise<string[]> {
  const rows = await manager.query<{ kek_id: string }[]>(
    `SELECT DISTINCT kek_id FROM credential_version
     WHERE (credential_id, version) IN (SELECT * FROM unnest($1::uuid[], $2::int[]))`,
    [keys.map(({ id }) => id), keys.map(({ version }) => version)],
  );
  return rows.map(({ kek_id }) => kek_id);
}

/** How many versions of a namespace are wrapped by another KEK than this one. */
export async function countNotUnder(
  manager: EntityManager,
  namespaceId: string,
  kekId: string,
): Promise<number> {
  const [row] = await manager.query<{ rows: number }[]>(
    `SELECT count(*)::int AS rows FROM credential_version v JOIN namespace_kek k USING (kek_id)
     WHERE k.namespace_id = $1 AND v.kek_id <> $2 AND v.${HOLDS_BYTES}`,
    [namespaceId, kekId],
  );
  return row?.rows ?? 0;
}

/**
 * Locks and reads these versions: credentials first, in order, as every mutation does. A reader is not held up, a store of one of them waits.
 * What was destroyed since it was listed is left out.
 */
export async function lockVersions(
  manager: EntityManager,
  seal: RowSeal,
  keys: readonly VersionKey[],
): Promise<LockedVersion[]> {
  if (keys.length === 0) return [];
  const lock = { mode: 'pessimistic_write' } as const;
  const credentials = await manager.find(CredentialEntity, {
    where: { credentialId: In([...new Set(keys.map(({ id }) => id))]) },
    order: { credentialId: 'ASC' },
    lock,
  });
  const versions = await manager.find(CredentialVersionEntity, {
    where: keys.map(({ id, version }) => ({ credentialId: id, version })),
    order: { credentialId: 'ASC', version: 'ASC' },
    lock,
  });
  const credentialOf = new Map(credentials.map((row) => [row.credentialId, row]));
  return versions
    .filter(({ destroyedAt }) => destroyedAt === null)
    .map((row): LockedVersion => {
      const key = { id: row.credentialId, version: row.version };
      const credential = credentialOf.get(row.credentialId);
      try {
        if (credential === undefined) throw failure('CREDENTIAL_DAMAGED');
        return {
          key,
          credential: openCredentialRow(seal, credential),
          version: openVersionRow(seal, row),
        };
      } catch {
        return { key, damaged: true };
      }
    });
}

/** A version as it was, and as it shall be: only its keys and ciphertext differ. */
export interface RekeyedVersion {
  readonly before: CredentialVersion;
  readonly after: CredentialVersion;
}

// Compare-and-set on both key ids. A ciphertext that stays is not written again.
const WRITE = `
  UPDATE credential_version v SET dek_id = w.dek_id, kek_id = w.kek_id, kek_version = w.kek_version, wrapped_dek = w.wrapped_dek,
    ciphertext = coalesce(w.ciphertext, v.ciphertext), row_mac = w.row_mac
  FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::int[], $8::bytea[], $9::bytea[], $10::bytea[])
    AS w (credential_id, version, old_dek_id, old_kek_id, dek_id, kek_id, kek_version, wrapped_dek, ciphertext, row_mac)
  WHERE v.credential_id = w.credential_id AND v.version = w.version AND v.dek_id = w.old_dek_id AND v.kek_id = w.old_kek_id
  RETURNING 1 AS written`;

/** Writes rows that {@link lockVersions} has locked. Each marks its credential as changed, so every instance reads it again. */
export async function writeVersions(
  manager: EntityManager,
  seal: RowSeal,
  rows: readonly RekeyedVersion[],
): Promise<void> {
  if (rows.length === 0) return;
  const column = <T>(of: (row: RekeyedVersion) => T): T[] => rows.map(of);
  const [written] = await manager.query<[unknown[], number]>(WRITE, [
    column(({ after }) => after.credentialId),
    column(({ after }) => after.version),
    column(({ before }) => before.dekId),
    column(({ before }) => before.kekId),
    column(({ after }) => after.dekId),
    column(({ after }) => after.kekId),
    column(({ after }) => after.kekVersion),
    column(({ after }) => Buffer.from(after.wrappedDek)),
    column(({ before, after }) =>
      after.ciphertext === before.ciphertext ? null : Buffer.from(after.ciphertext),
    ),
    column(({ after }) => Buffer.from(seal.versionMac(after))),
  ]);
  if (written.length !== rows.length) {
    throw failure('INTERNAL', { details: { reason: 'a locked row changed', rows: rows.length } });
  }
}
