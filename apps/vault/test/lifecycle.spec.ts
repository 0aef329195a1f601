import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DAY } from '@keymesh/kernel';
import { eventually, expectCode, startTestPostgres, type TestPostgres } from '@keymesh/testing';
import { API_KEY, callBy, text, textOf } from './fakes.js';
import { failAtQuery } from './support/fail-at-query.js';
import { openPostgresVault, type PostgresVault } from './support/postgres-vault.js';
import { migrateVault } from './support/vault-world.js';

let names = 0;
describe('the life of a credential in Postgres', () => {
  let postgres: TestPostgres;
  let vault: PostgresVault;
  let name: string;
  const store = (value = API_KEY, more: object = {}) =>
    vault.store(
      { name, type: 'api_key', values: { value: text(value) }, expectedVersion: 'any', ...more },
      callBy('writer'),
    );
  const retrieve = async (version?: number) =>
    textOf(
      (await vault.retrieve({ name, ...(version === undefined ? {} : { version }) }, callBy('reader'))).values
        .value,
    );
  const sql = (statement: string, ...parameters: unknown[]) =>
    vault.dataSource.query<Record<string, unknown>[]>(statement, parameters);
  const bytesOf = (credentialId: string) =>
    sql(
      `SELECT version, dek_id, stage, length(ciphertext) + length(wrapped_dek) AS bytes, fingerprint, destroyed_at IS NOT NULL AS destroyed
       FROM credential_version WHERE credential_id = $1 ORDER BY version`,
      credentialId,
    );

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
    name = `life/n${String((names += 1))}`;
  });

  it('leaves no byte of a destroyed version in its row; the data key id and the number stay', async () => {
    const { credentialId } = await store(`${API_KEY}-1`);
    await store(`${API_KEY}-2`);
    const [before] = await bytesOf(credentialId);
    await vault.destroy({ name, version: 1 }, callBy('operator'));
    const [after, current] = await bytesOf(credentialId);
    expect(before?.bytes).toBeGreaterThan(0);
    expect(after).toEqual({ ...before, stage: 'revoked', bytes: 0, fingerprint: null, destroyed: true });
    expect(current?.destroyed).toBe(false);
    await expectCode(retrieve(1), 'VERSION_DESTROYED');
    expect(await retrieve()).toBe(`${API_KEY}-2`);
    expect((await store(`${API_KEY}-3`)).version).toBe(3);
    expect(await problemsOf(credentialId)).toEqual([]);
  });

  it('purges every version after the window, once, and never gives a number or name back', async () => {
    const { credentialId } = await store(`${API_KEY}-1`);
    await store(`${API_KEY}-2`);
    await vault.remove({ name }, callBy('writer'));
    await vault.purge();
    expect((await bytesOf(credentialId)).every(({ destroyed }) => destroyed === false)).toBe(true);
    vault.turnClock(31 * DAY);
    await Promise.all([vault.purge(), vault.purge()]);
    expect(await bytesOf(credentialId)).toMatchObject([
      { version: 1, stage: 'previous', bytes: 0, fingerprint: null, destroyed: true },
      { version: 2, stage: 'current', bytes: 0, fingerprint: null, destroyed: true },
    ]);
    const [records] = await sql(
      `SELECT count(*)::int AS count FROM outbox WHERE kind = 'journal' AND convert_from(payload, 'utf8') LIKE '%credential.purged%' || $1 || '%'
         OR convert_from(payload, 'utf8') LIKE '%' || $1 || '%credential.purged%'`,
      credentialId,
    );
    expect(records?.count).toBe(1);
    await expectCode(vault.restore({ credentialId }, callBy('writer')), 'CREDENTIAL_NOT_DELETED');
    expect((await store()).credentialId).not.toBe(credentialId);
    expect(vault.purgeFailures).toEqual([]);
    expect(await problemsOf(credentialId)).toEqual([]);
  });

  it('restores or purges, never both, when both come at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      name = `life/race${String(round)}`;
      const { credentialId } = await store();
      await vault.remove({ name, recoveryDays: 30 }, callBy('writer'));
      vault.turnClock(30 * DAY - 20);
      const [restored] = await Promise.allSettled([
        vault.restore({ credentialId }, callBy('writer')),
        (async () => {
          for (let at = 0; at < 10; at += 1) await vault.purge();
        })(),
      ]);
      if (restored.status === 'fulfilled') expect(await retrieve()).toBe(API_KEY);
      else expect((restored.reason as { code: string }).code).toBe('CREDENTIAL_NOT_DELETED');
      expect(await problemsOf(credentialId)).toEqual([]);
    }
  });

  it.each([
    ['status', `UPDATE credential SET status = 'active' WHERE credential_id = $1`],
    ['label', `UPDATE credential SET label = 'harmless' WHERE credential_id = $1`],
    ['sensitivity', `UPDATE credential SET sensitivity = 'low' WHERE credential_id = $1`],
  ])('is refused within a second once somebody changed the %s by hand', async (_what, statement) => {
    const { credentialId } = await store();
    await vault.update({ name, sensitivity: 'high' }, callBy('writer'));
    await vault.deactivate({ name }, callBy('writer'));
    await expectCode(retrieve(), 'CREDENTIAL_INACTIVE');
    await sql(statement, credentialId);
    await eventually(() => expectCode(retrieve(), 'CREDENTIAL_DAMAGED'), { timeoutMs: 3_000 });
  });

  it.each([
    [
      'recovery window',
      `UPDATE credential SET recoverable_until = now() + interval '90 years' WHERE credential_id = $1`,
    ],
    ['purge', `UPDATE credential SET purged_at = NULL WHERE credential_id = $1`],
    [
      'deletion',
      `UPDATE credential SET deleted_at = NULL, recoverable_until = NULL, purged_at = NULL WHERE credential_id = $1`,
    ],
  ])('does not come back when somebody writes away its %s', async (_what, statement) => {
    const { credentialId } = await store();
    await vault.remove({ name, recoveryDays: 0 }, callBy('operator'));
    await sql(statement, credentialId);
    const attempt = vault.restore({ credentialId }, callBy('operator'));
    await expectCode(attempt, 'CREDENTIAL_DAMAGED');
  });

  it('gives each notice of expiry once, however many instances look', async () => {
    const { credentialId } = await store(API_KEY, {
      expiresAt: new Date(Date.now() + 400 * DAY).toISOString(),
    });
    const second = await openPostgresVault(postgres, vault);
    const noticed = () =>
      sql(
        `SELECT convert_from(payload, 'utf8')::jsonb->'facts'->>'daysBefore' AS days FROM outbox
         WHERE kind = 'journal' AND convert_from(payload, 'utf8')::jsonb->>'type' IN ('credential.expiring', 'credential.expired')
           AND convert_from(payload, 'utf8')::jsonb->'resource'->>'id' = $1 ORDER BY seq`,
        credentialId,
      );
    try {
      for (const instance of [vault, second]) instance.turnTo(Date.now() + 390 * DAY);
      // Whoever finds the other one at it leaves it to the next round.
      for (let round = 0; round < 3; round += 1)
        await Promise.all([vault.giveNotices(), second.giveNotices()]);
      for (const instance of [vault, second]) instance.turnTo(Date.now() + 401 * DAY);
      for (let round = 0; round < 3; round += 1)
        await Promise.all([vault.giveNotices(), second.giveNotices()]);
      expect((await noticed()).map(({ days }) => days)).toEqual(['14', null]);
    } finally {
      vault.turnTo(Date.now());
      await second.close();
    }
  });

  describe('cut off at any statement', () => {
    const snapshot = async (credentialId: string) => [
      await sql('SELECT * FROM credential WHERE credential_id = $1', credentialId),
      await sql('SELECT * FROM credential_version WHERE credential_id = $1 ORDER BY version', credentialId),
      await sql(
        `SELECT count(*)::int AS count FROM outbox WHERE convert_from(payload, 'utf8') LIKE '%' || $1 || '%'`,
        credentialId,
      ),
    ];
    const cases: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
      ['delete', () => Promise.resolve(), () => vault.remove({ name }, callBy('writer'))],
      [
        'delete for good',
        () => Promise.resolve(),
        () => vault.remove({ name, recoveryDays: 0 }, callBy('operator')),
      ],
      [
        'restore',
        () => vault.remove({ name }, callBy('writer')),
        () => vault.restore({ name }, callBy('writer')),
      ],
      ['destroy', () => Promise.resolve(), () => vault.destroy({ name, version: 1 }, callBy('operator'))],
      ['deactivate', () => Promise.resolve(), () => vault.deactivate({ name }, callBy('writer'))],
      [
        'purge',
        async () => {
          // What earlier specs have deleted goes first: then there is only this one to purge.
          vault.turnClock(31 * DAY);
          await vault.purge();
          await vault.remove({ name }, callBy('writer'));
          vault.turnClock(31 * DAY);
        },
        async () => {
          const failures = vault.purgeFailures.length;
          await vault.purge();
          if (vault.purgeFailures.length > failures) throw vault.purgeFailures.splice(failures)[0];
        },
      ],
    ];
    it.each(cases)(
      'a %s is not there at all, and then whole when asked again',
      async (_what, prepare, act) => {
        const { credentialId } = await store(`${API_KEY}-1`);
        await store(`${API_KEY}-2`);
        await prepare();
        const before = await snapshot(credentialId);
        let statements = 0;
        for (let at = 1; ; at += 1) {
          const injected = failAtQuery(vault.dataSource, at);
          const outcome = await act().then(
            () => 'done',
            () => 'failed',
          );
          injected.restore();
          if (!injected.happened()) {
            expect(outcome).toBe('done');
            break;
          }
          statements += 1;
          expect(outcome).toBe('failed');
          expect(await snapshot(credentialId)).toEqual(before);
        }
        // Begin, locks, rows, record, commit: else nothing was cut off.
        expect(statements).toBeGreaterThan(6);
        expect(await snapshot(credentialId)).not.toEqual(before);
        expect(await problemsOf(credentialId)).toEqual([]);
      },
    );
  });
});
