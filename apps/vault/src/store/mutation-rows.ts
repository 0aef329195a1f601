import type { EntityManager, FindOptionsWhere } from 'typeorm';
import type { MutationTransaction } from '../domain/mutations.js';
import type { RowSeal } from '../domain/row-mac.js';
import { CredentialEntity, fromCredential } from './entities/credential.entity.js';
import { CredentialVersionEntity, fromVersion } from './entities/credential-version.entity.js';
import { openCredentialRow, openVersionRow } from './sealed-rows.js';

// The parts of a mutation's transaction, by the rows that they are about.

type CredentialRows = Pick<
  MutationTransaction,
  'lockByName' | 'lockById' | 'lockDeleted' | 'nextRevision' | 'insertCredential' | 'updateCredential'
>;

export function credentialRows(manager: EntityManager, seal: RowSeal): CredentialRows {
  const credentials = manager.getRepository(CredentialEntity);
  const lockWhere = async (where: string, parameter: string) => {
    const row = await credentials
      .createQueryBuilder('c')
      .setLock('pessimistic_write')
      .where(where, { parameter })
      .getOne();
    return row === null ? undefined : openCredentialRow(seal, row);
  };
  return {
    async lockByName(name) {
      // A name that is not there yet has no row to lock. Taken first by everyone who locks by name, so the order is always the same.
      await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `keymesh/vault/name/${name}`,
      ]);
      return lockWhere('c.name = :parameter AND c.deletedAt IS NULL', name);
    },
    lockById: (credentialId) =>
      lockWhere('c.credentialId = :parameter AND c.deletedAt IS NULL', credentialId),
    lockDeleted: (credentialId) =>
      lockWhere('c.credentialId = :parameter AND c.deletedAt IS NOT NULL', credentialId),
    async nextRevision() {
      const [row] = await manager.query<{ revision: string }[]>(`SELECT nextval('revision') AS revision`);
      return Number(row?.revision);
    },
    async insertCredential(credential) {
      await credentials.insert(fromCredential(credential, seal.credentialMac(credential)));
    },
    updateCredential: async (credential) => {
      const { credentialId, ...row } = fromCredential(credential, seal.credentialMac(credential));
      await credentials.update({ credentialId }, row);
    },
  };
}

type VersionRows = Pick<
  MutationTransaction,
  | 'insertVersion'
  | 'setStages'
  | 'findVersion'
  | 'findVersionOfRotation'
  | 'listVersions'
  | 'updateVersion'
  | 'fingerprintValue'
>;

// The key of a fingerprint is its namespace's: no other namespace can have the same one.
const SAME_VALUE = `
  SELECT coalesce(bool_or(c.credential_id <> $2 AND c.deleted_at IS NULL AND v.stage <> 'revoked'), false) AS reused,
         coalesce(bool_or(c.credential_id = $2), false) AS repeated
  FROM credential_version v JOIN credential c USING (credential_id) WHERE v.fingerprint = $1`;

export function versionRows(manager: EntityManager, seal: RowSeal): VersionRows {
  const versions = manager.getRepository(CredentialVersionEntity);
  const findVersion = async (where: FindOptionsWhere<CredentialVersionEntity>) => {
    const row = await versions.findOneBy(where);
    return row === null ? undefined : openVersionRow(seal, row);
  };
  return {
    async insertVersion(version) {
      await versions.insert(fromVersion(version, seal.versionMac(version)));
    },
    async setStages(credentialId, changes, revision) {
      for (const { version, stage } of changes) {
        const found = await findVersion({ credentialId, version });
        if (found === undefined) throw new Error('a version that the credential names has no row');
        const row = { ...found, stage, revision };
        await versions.update(
          { credentialId, version },
          { stage, revision, rowMac: Buffer.from(seal.versionMac(row)) },
        );
      }
    },
    findVersion: (credentialId, version) => findVersion({ credentialId, version }),
    findVersionOfRotation: (credentialId, rotationId) => findVersion({ credentialId, rotationId }),
    async listVersions(credentialId) {
      const rows = await versions.find({ where: { credentialId }, order: { version: 'ASC' } });
      return rows.map((row) => openVersionRow(seal, row));
    },
    async updateVersion(version) {
      const { credentialId, version: number } = version;
      const { stage, wrappedDek, ciphertext, fingerprint, strengthScore, destroyedAt, revision, rowMac } =
        fromVersion(version, seal.versionMac(version));
      await versions.update(
        { credentialId, version: number },
        { stage, wrappedDek, ciphertext, fingerprint, strengthScore, destroyedAt, revision, rowMac },
      );
    },
    fingerprintValue: async ({ namespaceId, credentialId }, value) => {
      const fingerprint = seal.fingerprintOf(namespaceId, value);
      const [known] = await manager.query<{ reused: boolean; repeated: boolean }[]>(SAME_VALUE, [
        fingerprint,
        credentialId,
      ]);
      return { fingerprint, reused: known?.reused ?? false, repeated: known?.repeated ?? false };
    },
  };
}

const CLAIM_NOTICE = `
  INSERT INTO expiry_notice (credential_id, expires_at, days_before, given_at) VALUES ($1, $2, $3, $4)
  ON CONFLICT DO NOTHING RETURNING 1 AS claimed`;

/** For what the vault does by itself. */
export const jobRows = (manager: EntityManager): Pick<MutationTransaction, 'claimNotice' | 'holdJob'> => ({
  async claimNotice({ credentialId, expiresAtMs, daysBefore }, nowMs) {
    const claimed = await manager.query<unknown[]>(CLAIM_NOTICE, [
      credentialId,
      new Date(expiresAtMs),
      daysBefore,
      new Date(nowMs),
    ]);
    return claimed.length === 1;
  },
  async holdJob(name) {
    const [row] = await manager.query<{ held: boolean }[]>(
      'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS held',
      [`keymesh/vault/job/${name}`],
    );
    return row?.held === true;
  },
});
