import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { readInitConfig, readVaultConfig } from './config.js';

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
      kdf: 'pbkdf2',
      deadlineMs: 2_000,
    });
    expect(
      readInitConfig({
        ...database,
        KEYMESH_KMS: 'aws-kms',
        KEYMESH_KMS_AWS_KEY_ID: 'alias/a',
        KEYMESH_KMS_AWS_REGION: 'eu-west-1',
      }).kms,
    ).toEqual({
      kind: 'aws-kms',
      keyId: 'alias/a',
      region: 'eu-west-1',
      endpoint: undefined,
      deadlineMs: 2_000,
    });
  });

  it('tells every missing variable at once, by name', () => {
    const read = () => readInitConfig({ ...database, KEYMESH_KMS: 'aws-kms' });
    expect(read).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(read).toThrow(/KEYMESH_KMS_AWS_KEY_ID.*KEYMESH_KMS_AWS_REGION/);
    expect(() => readInitConfig(database)).toThrow(/KEYMESH_KMS_MASTER_KEY_FILE: is required/);
  });

  it('takes several KMS together, each with its own variables', () => {
    const both = {
      ...database,
      KEYMESH_KMS: 'any-of',
      KEYMESH_KMS_MEMBERS: 'local,recovery',
      KEYMESH_KMS_MASTER_KEY_FILE: '/k',
      KEYMESH_KMS_LOCAL_KDF: 'argon2id',
      KEYMESH_KMS_RECOVERY_PUBLIC_KEY_FILE: '/r',
      KEYMESH_KMS_RECOVERY_SHARE_FILES: '/s/1:/s/2',
      KEYMESH_KMS_DEADLINE_MS: '500',
    };
    expect(readInitConfig(both).kms).toEqual({
      kind: 'any-of',
      strict: false,
      deadlineMs: 500,
      members: [
        { kind: 'local', masterKeyFile: '/k', passphrase: undefined, kdf: 'argon2id' },
        { kind: 'recovery', publicKeyFile: '/r', shareFiles: ['/s/1', '/s/2'] },
      ],
    });
    expect(readInitConfig({ ...both, KEYMESH_KMS: 'all-of', KEYMESH_KMS_STRICT: 'true' }).kms).toMatchObject({
      kind: 'all-of',
      strict: true,
    });
  });

  it('says what several KMS lack: members, their variables, and nonsense', () => {
    const read = (more: Record<string, string>) => () =>
      readInitConfig({ ...database, KEYMESH_KMS: 'any-of', ...more });
    expect(read({})).toThrow(/KEYMESH_KMS_MEMBERS: is required with KEYMESH_KMS=any-of/);
    expect(read({ KEYMESH_KMS_MEMBERS: 'local' })).toThrow(/KEYMESH_KMS_MEMBERS/);
    expect(read({ KEYMESH_KMS_MEMBERS: 'local,local' })).toThrow(/must name each KMS once/);
    expect(read({ KEYMESH_KMS_MEMBERS: 'local,any-of' })).toThrow(/KEYMESH_KMS_MEMBERS/);
    expect(read({ KEYMESH_KMS_MEMBERS: 'local,recovery' })).toThrow(
      /MASTER_KEY_FILE: is required with local in .*RECOVERY_PUBLIC_KEY_FILE: is required with recovery in/,
    );
    expect(() => readInitConfig({ ...database, KEYMESH_KMS: 'recovery' })).toThrow(/KEYMESH_KMS/);
  });
});

describe('the credential policy file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keymesh-config-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const read = (content: string) => {
    const file = join(folder, 'policy.json');
    writeFileSync(file, content);
    return () => readVaultConfig({ KEYMESH_CREDENTIAL_POLICY_FILE: file });
  };

  it('stops the vault with a sentence for each field that is wrong, next to all else', () => {
    expect(read('{"defaults":{"minLengthChars":0},"types":{"nonsense":{}}}')).toThrow(
      /KEYMESH_CREDENTIAL_POLICY_FILE: defaults → minLengthChars must be at least 1/,
    );
    expect(read('{"types":{"nonsense":{}}}')).toThrow(/types → nonsense is no credential type/);
    expect(read('[')).toThrow(/KEYMESH_CREDENTIAL_POLICY_FILE: must name a file that holds a JSON object/);
    expect(() => readVaultConfig({ KEYMESH_CREDENTIAL_POLICY_FILE: '/nowhere/at/all' })).toThrow(
      /KEYMESH_CREDENTIAL_POLICY_FILE: must name a file that can be read/,
    );
    expect(read('{}')).not.toThrow(/KEYMESH_CREDENTIAL_POLICY_FILE/);
  });
});
