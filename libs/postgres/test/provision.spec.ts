import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import { withClient } from '../src/admin-client.js';
import { provisionDatabase } from '../src/index.js';

describe('provisionDatabase', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startTestPostgres();
  });
  afterAll(() => postgres.stop());
  const provision = (password: string) =>
    provisionDatabase({
      url: postgres.adminUrl,
      password: postgres.password,
      database: 'another',
      deployRole: { name: 'other_deploy', password: Secret.fromText(password, 'x') },
      serviceRoles: [{ name: 'other_service', password: Secret.fromText(password, 'x') }],
    });
  const whoAmI = (role: string, password: string, database = 'another') =>
    withClient(
      {
        url: `postgres://${role}@127.0.0.1:${String(postgres.port)}/${database}`,
        password: Secret.fromText(password, 'x'),
        applicationName: 'spec',
      },
      async (client) => (await client.query<{ me: string }>('SELECT current_user AS me')).rows[0]?.me,
    );

  it('makes the database and its roles, and may be repeated, also with new passwords', async () => {
    await provision('first');
    await provision('first');
    expect(await whoAmI('other_deploy', 'first')).toBe('other_deploy');
    await provision('second ~ with "quotes\' and spaces');
    expect(await whoAmI('other_service', 'second ~ with "quotes\' and spaces')).toBe('other_service');
    await expect(whoAmI('other_service', 'first')).rejects.toMatchObject({ details: { sqlState: '28P01' } });
  });

  it('lets nobody else into it, and its roles into no other', async () => {
    await provision('first');
    await expect(whoAmI('keymesh_vault', postgres.password.label)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
    await expect(whoAmI('other_service', 'first', 'keymesh')).rejects.toMatchObject({
      details: { sqlState: '42501' },
    });
  });

  it('stores a verifier only, never the password', async () => {
    await provision('CANARY');
    const rows = await withClient(
      { url: postgres.adminUrl, password: postgres.password, applicationName: 'spec' },
      async (client) =>
        (
          await client.query<{ rolpassword: string }>(
            "SELECT rolpassword FROM pg_authid WHERE rolname = 'other_service'",
          )
        ).rows,
    );
    expect(rows[0]?.rolpassword).toMatch(/^SCRAM-SHA-256\$4096:/);
    expect(rows[0]?.rolpassword).not.toContain('CANARY');
  });
});
