import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { rotateKey, storeCredential } from '@keymesh/contracts';
import type { Caller } from '@keymesh/mesh';
import { eventually } from '@keymesh/testing';
import { Client } from 'pg';
import { text } from './fakes.js';
import { fsckWorld } from './support/fsck-world.js';
import type { RowProblem } from '../src/store/row-problem.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

const FSCK = join(import.meta.dirname, '../dist/fsck.js');
const CANARY = 'canary-value-4711';

let names = 0;
describe('fsck of the vault', () => {
  let world: VaultWorld;
  let keeper: Caller;
  let owner: Client;
  let credentialId: string;
  let name: string;
  const closing: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    world = await startVaultWorld();
    closing.push(() => world.stop());
    keeper = await world.addClient('keeper', ['operator']);
    const url = new URL(world.postgres.deployUrl);
    // EXPOSE: the password of a spec's own database.
    url.password = Buffer.from(world.postgres.password.expose()).toString('utf8');
    owner = new Client({ connectionString: url.href });
    await owner.connect();
    closing.push(() => owner.end());
    await world.startVault();
  }, 60_000);
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  }, 30_000);
  beforeEach(async () => {
    name = `secret-name-${String((names += 1))}`;
    const store = (expectedVersion?: 'any') =>
      keeper.call(storeCredential, {
        ...{ name, type: 'generic', values: { value: text(CANARY) } },
        ...(expectedVersion === undefined ? {} : { expectedVersion }),
      });
    // Damage to the lock row has locked the vault, which notices within a second that it is gone.
    ({ credentialId } = await eventually(() => store(), { timeoutMs: 20_000 }));
    await store('any');
  });

  /** Does damage as the owner of the database could, past the triggers, and undoes it. @returns what fsck finds of it. */
  async function findingsOf(damage: string): Promise<RowProblem[]> {
    await owner.query('SET search_path = vault');
    const tables = ['credential', 'credential_version', 'namespace_kek', 'lock_state', 'system_key'];
    for (const table of tables)
      await owner.query(`CREATE TABLE vault.copy_of_${table} AS TABLE vault.${table}`);
    const [position] = (await owner.query<{ last_value: string }>('SELECT last_value FROM revision')).rows;
    for (const table of tables) await owner.query(`ALTER TABLE vault.${table} DISABLE TRIGGER USER`);
    try {
      await owner.query(damage.replaceAll('$1', `'${credentialId}'`));
      return await fsckWorld(world);
    } finally {
      await owner.query(
        'TRUNCATE credential, credential_version, namespace_kek, lock_state, system_key CASCADE',
      );
      for (const table of ['system_key', 'lock_state', 'namespace_kek', 'credential', 'credential_version'])
        await owner.query(`INSERT INTO vault.${table} SELECT * FROM vault.copy_of_${table}`);
      for (const table of tables) {
        await owner.query(`DROP TABLE vault.copy_of_${table}`);
        await owner.query(`ALTER TABLE vault.${table} ENABLE TRIGGER USER`);
      }
      await owner.query(`SELECT setval('revision', ${position?.last_value ?? '1'})`);
    }
  }
  const flip = (column: string, at: number): string =>
    `${column} = set_byte(${column}, ${String(at)}, get_byte(${column}, ${String(at)}) # 1)`;

  it('finds nothing in a whole vault', async () => {
    await keeper.call(rotateKey, { namespace: 'default' });
    expect(await fsckWorld(world)).toEqual([]);
  });

  it.each([
    ['credential-hmac', `UPDATE credential SET owner = 'mallory' WHERE credential_id = $1`, {}],
    [
      'version-hmac',
      `UPDATE credential_version SET created_by = 'mallory' WHERE credential_id = $1 AND version = 1`,
      { version: 1 },
    ],
    [
      'value-damaged',
      `UPDATE credential_version SET ${flip('ciphertext', 95)} WHERE credential_id = $1 AND version = 2`,
      { version: 2 },
    ],
    [
      'data-key-damaged',
      `UPDATE credential_version SET ${flip('wrapped_dek', 100)} WHERE credential_id = $1 AND version = 1`,
      { version: 1 },
    ],
  ])('names %s', async (rule, damage, where) => {
    const found = await findingsOf(damage);
    expect(found).toMatchObject([{ rule, credentialId, ...where }]);
    expect(JSON.stringify(found)).not.toMatch(new RegExp(`${name}|${CANARY}`));
    expect(await fsckWorld(world)).toEqual([]);
  });

  it('names a KEK that does not unwrap, and every version under it', async () => {
    const found = await findingsOf(
      `UPDATE namespace_kek SET ${flip('wrapped', 60)} WHERE kek_id = (SELECT kek_id FROM credential_version WHERE credential_id = $1 LIMIT 1)`,
    );
    expect(found[0]).toMatchObject({ rule: 'kek', kekId: expect.any(String) as unknown });
    for (const version of [1, 2])
      expect(found).toContainEqual(expect.objectContaining({ rule: 'kek-damaged', credentialId, version }));
  });

  it.each([
    [
      'orphan',
      'credential_version_credential_id_fkey',
      'DELETE FROM credential WHERE credential_id = $1',
      'FOREIGN KEY (credential_id) REFERENCES credential',
    ],
    [
      'data-key-reused',
      'credential_version_dek_id_key',
      `UPDATE credential_version SET dek_id = (SELECT dek_id FROM credential_version WHERE credential_id = $1 AND version = 1)
       WHERE credential_id = $1 AND version = 2`,
      'UNIQUE (dek_id)',
    ],
  ])(
    'names %s, where somebody took away the constraint against it',
    async (rule, constraint, damage, ddl) => {
      const found = await findingsOf(
        `ALTER TABLE credential_version DROP CONSTRAINT ${constraint}; ${damage}`,
      );
      await owner.query(`ALTER TABLE credential_version ADD CONSTRAINT ${constraint} ${ddl}`);
      expect(found).toContainEqual(expect.objectContaining({ rule, credentialId }));
    },
  );

  it.each([
    ['no-version', `DELETE FROM credential_version WHERE credential_id = $1`, () => ({ credentialId })],
    [
      'current',
      `DELETE FROM credential_version WHERE credential_id = $1 AND version = 2`,
      () => ({ credentialId }),
    ],
    [
      'namespace-mismatch',
      `UPDATE namespace SET name = 'other'; UPDATE credential SET namespace = namespace`,
      () => ({ credentialId }),
    ],
    ['active-kek', 'UPDATE namespace_kek SET active = false', () => ({})],
    [
      'kek-mismatch',
      `UPDATE namespace_kek SET active = false, destroyed_at = now()`,
      () => ({ credentialId }),
    ],
    [
      'destroyed-kek-holds-bytes',
      `UPDATE namespace_kek SET active = false, destroyed_at = now()`,
      () => ({}),
    ],
    ['sequence-behind', `SELECT setval('revision', 1)`, () => ({})],
    [
      'system-key',
      `UPDATE system_key SET ${flip('wrapped', 60)} WHERE purpose = 'mesh'`,
      () => ({ systemKey: 'mesh' }),
    ],
    ['lock-hmac', `INSERT INTO lock_state VALUES (1, false, 1, 'mallory', now(), '\\x00')`, () => ({})],
  ])('names %s', async (rule, damage, where) => {
    const found = await findingsOf(damage);
    await owner.query(`UPDATE namespace SET name = 'default' WHERE name = 'other'`);
    expect(found).toContainEqual(expect.objectContaining({ rule, ...where() }));
    expect(JSON.stringify(found)).not.toMatch(new RegExp(`${name}|${CANARY}`));
  });

  it('prints a JSON line for each problem and one for the whole, and exits with 1', async () => {
    const run = () =>
      promisify(execFile)(process.execPath, ['--no-warnings', FSCK], { env: world.environment() }).then(
        ({ stdout }) => ({ code: 0, stdout }),
        (error: unknown) => error as { code: number; stdout: string },
      );
    const linesOf = ({ stdout }: { stdout: string }) =>
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const whole = await run();
    expect(whole.code).toBe(0);
    expect(linesOf(whole)).toMatchObject([{ ok: true, problems: 0 }]);
    expect(linesOf(whole)[0]?.versions).toBeGreaterThan(1);
    const damage = `UPDATE vault.credential_version SET ${flip('ciphertext', 95)} WHERE credential_id = '${credentialId}' AND version = 2`;
    await owner.query(damage);
    const damaged = await run();
    expect(damaged.code).toBe(1);
    expect(linesOf(damaged)).toMatchObject([
      { rule: 'value-damaged', credentialId, version: 2 },
      { ok: false, problems: 1 },
    ]);
    expect(damaged.stdout).not.toMatch(new RegExp(`${name}|${CANARY}`));
    await owner.query(damage);
  }, 60_000);
});
