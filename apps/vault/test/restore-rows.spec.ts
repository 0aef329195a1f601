import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { makeDataSource } from '@keymesh/postgres';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import type { DataSource } from 'typeorm';
import { applyLater, UNKNOWN_VERSIONS_STEP } from '../src/backup/apply-later.js';
import { NO_LATER_RECORDS, type LaterCredential, type LaterRecords } from '../src/backup/later-records.js';
import { beginRestoreEpoch, firstRevisionOf } from '../src/backup/restore-epoch.js';
import { CredentialEntity } from '../src/store/entities/credential.entity.js';
import { CredentialVersionEntity } from '../src/store/entities/credential-version.entity.js';
import { vaultEntities } from '../src/store/entities/index.js';
import { API_KEY, callBy, text } from './fakes.js';
import { openPostgresVault, type PostgresVault } from './support/postgres-vault.js';
import { migrateVault } from './support/vault-world.js';

let postgres: TestPostgres;
let vault: PostgresVault;
/** As the role that restores: the owner of the tables. */
let owner: DataSource;

beforeAll(async () => {
  postgres = await startTestPostgres();
  await migrateVault(postgres);
  vault = await openPostgresVault(postgres);
  owner = await makeDataSource({
    url: postgres.deployUrl,
    password: postgres.password,
    schema: 'vault',
    entities: vaultEntities,
    applicationName: 'spec',
  }).initialize();
}, 60_000);
afterAll(async () => {
  await owner.destroy();
  await vault.close();
  await postgres.stop();
}, 30_000);

const UNTOUCHED: LaterCredential = {
  lastVersion: 0,
  deletedAtMs: null,
  recoverableUntilMs: null,
  purgedAtMs: null,
  inactive: false,
  destroyed: new Map(),
};
const later = (credentials: Record<string, Partial<LaterCredential>>): LaterRecords => ({
  ...NO_LATER_RECORDS,
  source: 'database',
  credentials: new Map(Object.entries(credentials).map(([id, known]) => [id, { ...UNTOUCHED, ...known }])),
});

let stored = 0;
/** A credential with three versions. @returns its id */
async function aCredential(): Promise<string> {
  const name = `restored-${String((stored += 1))}`;
  let credentialId = '';
  for (let version = 1; version <= 3; version += 1)
    ({ credentialId } = await vault.store(
      {
        name,
        type: 'api_key',
        values: { value: text(`${API_KEY}-${name}-${String(version)}`) },
        expectedVersion: 'any',
      },
      callBy('writer'),
    ));
  return credentialId;
}
const rowOf = (credentialId: string) =>
  owner.getRepository(CredentialEntity).findOneByOrFail({ credentialId });
const versionOf = (credentialId: string, version: number) =>
  owner.getRepository(CredentialVersionEntity).findOneByOrFail({ credentialId, version });

async function restore(records: LaterRecords, unknown: readonly string[] = []) {
  return owner.transaction(async (manager) => {
    const epoch = await beginRestoreEpoch(
      manager,
      {
        restoreId: randomUUID(),
        backupId: randomUUID(),
        backupCreatedAt: new Date().toISOString(),
        nowMs: Date.now(),
      },
      records,
    );
    return {
      epoch,
      ...(await applyLater(manager, { seal: vault.seal, later: records, unknown: new Set(unknown) })),
    };
  });
}

describe('what happened after a backup, applied to its rows', () => {
  it('no version number is given twice', async () => {
    const credentialId = await aCredential();
    expect(await restore(later({ [credentialId]: { lastVersion: 9 } }))).toMatchObject({
      credentialsRaised: 1,
    });
    expect((await rowOf(credentialId)).lastVersion).toBe(9);
    const next = await vault.store(
      {
        name: (await rowOf(credentialId)).name,
        type: 'api_key',
        values: { value: text(`${API_KEY}-next`) },
        expectedVersion: 'any',
      },
      callBy('writer'),
    );
    expect(next.version).toBe(10);
  });

  it('what was deleted, deactivated or destroyed is so again, and every row still holds', async () => {
    const [deleted, inactive, destroyed, purged] = [
      await aCredential(),
      await aCredential(),
      await aCredential(),
      await aCredential(),
    ];
    const at = Date.now();
    const applied = await restore(
      later({
        [deleted]: { lastVersion: 3, deletedAtMs: at, recoverableUntilMs: at + 1_000 },
        [inactive]: { lastVersion: 3, inactive: true },
        [destroyed]: { lastVersion: 3, destroyed: new Map([[1, at]]) },
        [purged]: { lastVersion: 3, deletedAtMs: at, purgedAtMs: at },
      }),
    );
    expect(applied).toMatchObject({
      credentialsRaised: 0,
      credentialsDeleted: 2,
      credentialsDeactivated: 1,
      versionsDestroyed: 4,
    });
    expect(await rowOf(deleted)).toMatchObject({
      deletedAt: new Date(at),
      recoverableUntil: new Date(at + 1_000),
    });
    expect((await rowOf(inactive)).status).toBe('inactive');
    for (const [credentialId, version] of [
      [destroyed, 1],
      [purged, 1],
      [purged, 3],
    ] as const) {
      const row = await versionOf(credentialId, version);
      expect({ bytes: row.ciphertext.length + row.wrappedDek.length, fingerprint: row.fingerprint }).toEqual({
        bytes: 0,
        fingerprint: null,
      });
      expect(row.destroyedAt).toEqual(new Date(at));
    }
    expect((await versionOf(destroyed, 2)).ciphertext.length).toBeGreaterThan(0);
    expect(await vault.verify()).toEqual([]);
  });

  it('every row that is changed has a revision above all that anybody has seen; the others keep theirs', async () => {
    const [changed, kept] = [await aCredential(), await aCredential()];
    const before = (await rowOf(kept)).revision;
    const records = {
      ...later({ [changed]: { lastVersion: 4 }, [kept]: { lastVersion: 3 } }),
      maxRevision: before + 5_000_000_000,
    };
    const { epoch } = await restore(records);
    expect((await rowOf(kept)).revision).toBe(before);
    expect((await rowOf(changed)).revision).toBeGreaterThanOrEqual(firstRevisionOf(epoch));
    expect((await rowOf(changed)).revision).toBeGreaterThan(records.maxRevision);
    expect((await restore(later({}))).epoch).toBeGreaterThan(epoch);
  });

  it('where nothing is known, numbers are skipped', async () => {
    const [one, other] = [await aCredential(), await aCredential()];
    await restore(later({}), [one]);
    expect((await rowOf(one)).lastVersion).toBe(3 + UNKNOWN_VERSIONS_STEP);
    expect((await rowOf(other)).lastVersion).toBe(3);
    await restore(NO_LATER_RECORDS);
    expect((await rowOf(other)).lastVersion).toBe(3 + UNKNOWN_VERSIONS_STEP);
    expect(await vault.verify()).toEqual([]);
  });

  it('a row that was changed by hand stops it, and nothing is changed', async () => {
    const [credentialId, other] = [await aCredential(), await aCredential()];
    await owner.query(`UPDATE credential SET owner = 'eve' WHERE credential_id = $1`, [credentialId]);
    await expect(restore(later({ [other]: { lastVersion: 8 } }))).rejects.toMatchObject({
      code: 'CREDENTIAL_DAMAGED',
    });
    expect((await rowOf(other)).lastVersion).toBe(3);
  });
});
