import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';

const dist = join(import.meta.dirname, '../dist');

describe('migrate.js and init.js, as a deployment runs them', () => {
  let postgres: TestPostgres;
  const folder = mkdtempSync(join(tmpdir(), 'keymesh-init-'));
  const masterKeyFile = join(folder, 'master.key');
  const run = (
    program: string,
    environment: Record<string, string>,
  ): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      execFile(
        process.execPath,
        ['--no-warnings', join(dist, program)],
        { env: environment },
        (error, stdout, stderr) =>
          resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      );
    });
  const migrate = () =>
    run('migrate.js', {
      KEYMESH_DATABASE_URL: postgres.deployUrl,
      KEYMESH_DATABASE_PASSWORD_FILE: postgres.passwordFile,
    });
  const init = (more: Record<string, string> = {}) =>
    run('init.js', {
      KEYMESH_DATABASE_URL: postgres.urlOf('vault'),
      KEYMESH_DATABASE_PASSWORD_FILE: postgres.passwordFile,
      KEYMESH_KMS_MASTER_KEY_FILE: masterKeyFile,
      ...more,
    });

  beforeAll(async () => {
    writeFileSync(masterKeyFile, randomBytes(32), { mode: 0o600 });
    postgres = await startTestPostgres();
  }, 60_000);
  afterAll(async () => {
    await postgres.stop();
    rmSync(folder, { recursive: true });
  });

  it('make the schema and the mesh key once, and say the same key again', async () => {
    expect(await migrate()).toMatchObject({ code: 0 });
    expect(await migrate()).toMatchObject({ code: 0 });
    const first = await init();
    expect(first).toMatchObject({ code: 0 });
    expect(JSON.parse(first.stdout)).toEqual({ meshPublicKey: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/) });
    expect((await init()).stdout).toBe(first.stdout);
  }, 120_000);

  it('refuse another master key, and a configuration that is not valid, with exit code 2 and what to do', async () => {
    const other = join(folder, 'other.key');
    writeFileSync(other, randomBytes(32), { mode: 0o600 });
    const refused = await init({ KEYMESH_KMS_MASTER_KEY_FILE: other });
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('master key file');
    const wrong = await init({ KEYMESH_KMS: 'aws-kms' });
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.stderr).toContain('KEYMESH_KMS_AWS_KEY_ID');
  }, 120_000);
});
