import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import { writeRecoveryFiles } from './support/recovery-files.js';

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

  it('make keys that a lost KMS does not take along: with enough shares the same mesh key is there, with too few nothing is', async () => {
    const files = await writeRecoveryFiles(join(folder, 'recovery'), { shares: 3, threshold: 2 });
    const second = await startTestPostgres();
    const place = {
      KEYMESH_DATABASE_URL: second.urlOf('vault'),
      KEYMESH_DATABASE_PASSWORD_FILE: second.passwordFile,
      KEYMESH_KMS: 'any-of',
      KEYMESH_KMS_MEMBERS: 'local,recovery',
      KEYMESH_KMS_RECOVERY_PUBLIC_KEY_FILE: files.publicKeyFile,
    };
    try {
      await run('migrate.js', {
        KEYMESH_DATABASE_URL: second.deployUrl,
        KEYMESH_DATABASE_PASSWORD_FILE: second.passwordFile,
      });
      const made = await init({ ...place, KEYMESH_KMS_LOCAL_KDF: 'argon2id' });
      expect(made).toMatchObject({ code: 0 });
      const lost = join(folder, 'lost.key');
      writeFileSync(lost, randomBytes(32), { mode: 0o600 });
      const without = { ...place, KEYMESH_KMS_MASTER_KEY_FILE: lost };
      const shares = (count: number) => ({
        KEYMESH_KMS_RECOVERY_SHARE_FILES: files.shareFiles.slice(0, count).join(':'),
      });
      expect(await init(without)).toMatchObject({ code: 2, stdout: '' });
      const tooFew = await init({ ...without, ...shares(1) });
      expect(tooFew).toMatchObject({ code: 1, stdout: '' });
      expect(tooFew.stderr).toContain('1 of 2 needed shares are here');
      expect(tooFew.stderr).not.toContain(readFileSync(files.shareFiles[0]!, 'utf8').slice(-26));
      expect((await init({ ...without, ...shares(2) })).stdout).toBe(made.stdout);
    } finally {
      await second.stop();
    }
  }, 180_000);
});
