import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { readInitConfig } from './config.js';

describe('the configuration of init', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keymesh-config-'));
  const passwordFile = join(folder, 'database.password');
  writeFileSync(passwordFile, 'pw\n');
  afterAll(() => rmSync(folder, { recursive: true }));
  const database = {
    KEYMESH_DATABASE_URL: 'postgres://keymesh_vault@127.0.0.1:7432/keymesh',
    KEYMESH_DATABASE_PASSWORD_FILE: passwordFile,
  };

  it('needs of a KMS exactly what that KMS needs', () => {
    expect(readInitConfig({ ...database, KEYMESH_KMS_MASTER_KEY_FILE: '/k' }).kms).toEqual({
      kind: 'local',
      masterKeyFile: '/k',
      passphrase: undefined,
    });
    expect(
      readInitConfig({
        ...database,
        KEYMESH_KMS: 'aws-kms',
        KEYMESH_KMS_AWS_KEY_ID: 'alias/a',
        KEYMESH_KMS_AWS_REGION: 'eu-west-1',
      }).kms,
    ).toEqual({ kind: 'aws-kms', keyId: 'alias/a', region: 'eu-west-1', endpoint: undefined });
  });

  it('tells every missing variable at once, by name', () => {
    const read = () => readInitConfig({ ...database, KEYMESH_KMS: 'aws-kms' });
    expect(read).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(read).toThrow(/KEYMESH_KMS_AWS_KEY_ID.*KEYMESH_KMS_AWS_REGION/);
    expect(() => readInitConfig(database)).toThrow(/KEYMESH_KMS_MASTER_KEY_FILE: is required/);
  });
});
