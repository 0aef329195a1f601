import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { eventually, expectCode, startTestPostgres, type TestPostgres } from '@keymesh/testing';
import { API_KEY, callBy, text, textOf } from './fakes.js';
import { openPostgresVault, type PostgresVault } from './support/postgres-vault.js';
import { migrateVault } from './support/vault-world.js';

let names = 0;
describe('rows', () => {
  let postgres: TestPostgres;
  let vault: PostgresVault;
  let name: string;
  const store = (of = name, value = API_KEY, more: object = {}) =>
    vault.store({ name: of, type: 'api_key', values: { value: text(value) }, ...more }, callBy('writer'));
  const retrieve = async (of = name) =>
    textOf((await vault.retrieve({ name: of }, callBy('reader'))).values.value);
  const sql = (statement: string, ...parameters: unknown[]) =>
    vault.dataSource.query<Record<string, unknown>[]>(statement, parameters);

  const problemsOf = async (id: string) =>
    (await vault.verify()).filter(({ credentialId }) => credentialId === id);

  beforeAll(async () => {
    postgres = await startTestPostgres();
    await migrateVault(postgres);
    vault = await openPostgresVault(postgres);
  }, 60_000);
  afterAll(async () => {
    await vault.close();
    await postgres.stop();
  });
  beforeEach(() => {
    name = `n${String((names += 1))}`;
  });

  it('migrate twice without a change', async () => {
    await migrateVault(postgres);
  });

  it.each([
    ['owner', `UPDATE credential SET owner = 'mallory' WHERE credential_id = $1`],
    ['tags', `UPDATE credential SET tags = '{public}' WHERE credential_id = $1`],
    ['expiry', `UPDATE credential SET expires_at = '2030-01-01' WHERE credential_id = $1`],
    [
      'current version',
      `UPDATE credential SET current_version = 1, previous_version = 2 WHERE credential_id = $1`,
    ],
    ['name', `UPDATE credential SET name = 'stolen' WHERE credential_id = $1`],
    ['revision', `UPDATE credential SET revision = revision + 1000000 WHERE credential_id = $1`],
    ['stage', `UPDATE credential_version SET stage = 'revoked' WHERE credential_id = $1 AND version = 2`],
    [
      'author',
      `UPDATE credential_version SET created_by = 'mallory' WHERE credential_id = $1 AND version = 2`,
    ],
    [
      'ciphertext',
      `UPDATE credential_version SET ciphertext = set_byte(ciphertext, 100, get_byte(ciphertext, 100) # 1) WHERE credential_id = $1`,
    ],
    [
      'wrapped key',
      `UPDATE credential_version SET wrapped_dek = set_byte(wrapped_dek, 100, get_byte(wrapped_dek, 100) # 1) WHERE credential_id = $1`,
    ],
    [
      'ciphertext of an older version',
      `UPDATE credential_version n SET (ciphertext, wrapped_dek) = (SELECT ciphertext, wrapped_dek FROM credential_version o WHERE o.credential_id = $1 AND o.version = 1)
       WHERE n.credential_id = $1 AND n.version = 2`,
    ],
  ])(
    'are refused by every instance within a second once somebody changed the %s by hand',
    async (_what, statement) => {
      const { credentialId } = await store();
      await store(name, `${API_KEY}-2`, { expectedVersion: 1 });
      expect(await retrieve()).toBe(`${API_KEY}-2`);
      expect(await problemsOf(credentialId)).toEqual([]);
      await sql(statement, credentialId);
      await eventually(() => expectCode(retrieve(), 'CREDENTIAL_DAMAGED'), { timeoutMs: 2_000 });
      expect(await problemsOf(credentialId)).not.toEqual([]);
    },
  );

  it('of another credential do not open: ciphertext, DEK and KEK are bound to their place', async () => {
    const one = await store();
    const two = await store(`${name}-two`, `${API_KEY}-two`);
    await sql(
      `UPDATE credential_version t SET (dek_id, wrapped_dek, ciphertext, row_mac) =
         (SELECT gen_random_uuid(), wrapped_dek, ciphertext, row_mac FROM credential_version f WHERE f.credential_id = $2)
       WHERE t.credential_id = $1`,
      one.credentialId,
      two.credentialId,
    );
    await eventually(() => expectCode(retrieve(), 'CREDENTIAL_DAMAGED'), { timeoutMs: 2_000 });
    expect(await retrieve(`${name}-two`)).toBe(`${API_KEY}-two`);
  });

  it('that are read for the first time together share a statement, and one that is damaged fails alone', async () => {
    const all = Array.from({ length: 20 }, (_, at) => `${name}-${String(at)}`);
    const stored = await Promise.all(all.map((of) => store(of, `${API_KEY}-${of}`)));
    await sql(
      'UPDATE credential_version SET ciphertext = set_byte(ciphertext, 100, get_byte(ciphertext, 100) # 1) WHERE credential_id = $1',
      stored[7]?.credentialId,
    );
    // The index has read them all: what is asked from here on is asked for versions.
    for (const of of all) await vault.index.findByName(of);
    const asked = jest.spyOn(vault.dataSource, 'query');
    const read = await Promise.allSettled(all.map(retrieve));
    const statements = asked.mock.calls.filter(([text]) => text.includes('credential_version v'));
    asked.mockRestore();
    read.forEach((result, at) => {
      if (at === 7) expect(result).toMatchObject({ reason: { code: 'CREDENTIAL_DAMAGED' } });
      else expect(result).toEqual({ status: 'fulfilled', value: `${API_KEY}-${all[at] ?? ''}` });
    });
    // The one that is damaged may have to be asked for again while the change of its row is on its way.
    expect(statements.length).toBeGreaterThan(0);
    expect(statements.length).toBeLessThan(10);
  });

  it('are refused for a store as well, so that damage is not built upon', async () => {
    const { credentialId } = await store();
    await sql(`UPDATE credential SET owner = 'mallory' WHERE credential_id = $1`, credentialId);
    await expectCode(store(name, API_KEY, { expectedVersion: 'any' }), 'CREDENTIAL_DAMAGED');
  });

  it('are kept: nobody removes one, and a number is never used again', async () => {
    const { credentialId } = await store();
    await expect(sql('DELETE FROM credential WHERE credential_id = $1', credentialId)).rejects.toThrow();
    await expect(
      sql('DELETE FROM credential_version WHERE credential_id = $1', credentialId),
    ).rejects.toThrow();
    await vault.remove({ name }, callBy('writer'));
    const again = await store();
    expect(again.credentialId).not.toBe(credentialId);
    expect((await store(name, API_KEY, { expectedVersion: 1 })).version).toBe(2);
  });

  it('show a transaction that commits late: nothing is lost between two questions', async () => {
    const { credentialId } = await store();
    const late = vault.dataSource.createQueryRunner();
    await late.startTransaction();
    // Takes its transaction id now; others with higher ids commit before it.
    await late.query('UPDATE credential SET changed_xid = changed_xid WHERE credential_id = $1', [
      credentialId,
    ]);
    for (let round = 0; round < 5; round += 1) await store(`${name}-${String(round)}`);
    for (let round = 0; round < 5; round += 1)
      expect(await retrieve(`${name}-${String(round)}`)).toBe(API_KEY);
    const before = (await vault.index.findByName(name)).credential;
    await late.commitTransaction();
    await late.release();
    await eventually(async () => {
      const after = (await vault.index.findByName(name)).credential;
      expect(after).not.toBe(before); // it was read again, though its transaction is older than those seen
    });
  });

  it('are locked: of two stores with one expected version one wins, whatever the order', async () => {
    await store();
    for (let version = 1; version <= 5; version += 1) {
      const results = await Promise.allSettled(
        Array.from({ length: 4 }, (_, at) =>
          store(name, `${API_KEY}-${String(version)}-${String(at)}`, { expectedVersion: version }),
        ),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    }
    const created = await Promise.allSettled(Array.from({ length: 4 }, () => store(`${name}-new`)));
    expect(created.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('never have two currents, with stores and rotations of one credential at once', async () => {
    const { credentialId } = await store(name, API_KEY, { rotation: { adapter: 'generated' } });
    const rotate = async (at: number): Promise<void> => {
      const rotationId = `018f0000-0000-7000-8000-${String(names * 1_000 + at).padStart(12, '0')}`;
      const by = () => callBy('_rotation');
      const { version } = await vault.prepare({ credentialId, rotationId }, by());
      await vault.promote({ credentialId, rotationId, version }, by());
    };
    const work = Array.from({ length: 12 }, (_, at) =>
      at % 2 === 0 ? rotate(at) : store(name, `${API_KEY}-${String(at)}`, { expectedVersion: 'any' }),
    );
    const results = await Promise.allSettled(work);
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    const codes = results.flatMap((result) =>
      result.status === 'rejected' ? [(result.reason as { code: string }).code] : [],
    );
    expect(codes.filter((code) => code !== 'ROTATION_IN_PROGRESS')).toEqual([]);
    const { versions } = await vault.history({ name }, callBy('reader'));
    expect(versions.filter(({ stage }) => stage === 'current')).toHaveLength(1);
    expect(versions.map(({ version }) => version)).toEqual(versions.map((_, at) => at + 1));
    expect(await problemsOf(credentialId)).toEqual([]);
  });

  it('do a repeated request once, also when both come at once', async () => {
    const call = callBy('writer');
    const request = () => vault.store({ name, type: 'api_key', values: { value: text(API_KEY) } }, call);
    const [one, two] = await Promise.all([request(), request()]);
    expect(one).toEqual(two);
    const [row] = await sql(
      `SELECT count(*) FROM outbox WHERE kind = 'journal' AND convert_from(payload, 'utf8') LIKE '%' || $1 || '%'`,
      one.credentialId,
    );
    expect(row?.count).toBe('1');
  });
});
