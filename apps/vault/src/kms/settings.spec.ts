import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { parseConfig } from '@keymesh/service-kit';
import { z } from 'zod';
import { kmsVariables, toKmsConfig } from './root-settings.js';

const kmsConfig = z.object(kmsVariables).transform(toKmsConfig);

describe('the configuration of a KMS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keymesh-kms-settings-'));
  const pinFile = join(folder, 'pin');
  writeFileSync(pinFile, '1234\n');
  afterAll(() => rmSync(folder, { recursive: true }));
  const read = (env: Readonly<Record<string, string>>) => parseConfig(kmsConfig, env);

  const PKCS11 = {
    KEYMESH_KMS: 'pkcs11',
    KEYMESH_KMS_PKCS11_MODULE: '/m.so',
    KEYMESH_KMS_PKCS11_TOKEN_LABEL: 'token',
    KEYMESH_KMS_PKCS11_KEY_LABEL: 'kek',
    KEYMESH_KMS_PKCS11_PIN_FILE: pinFile,
  };
  const TRANSIT = {
    KEYMESH_KMS: 'vault-transit',
    KEYMESH_KMS_VAULT_ADDRESS: 'https://bao:8200',
    KEYMESH_KMS_VAULT_KEY: 'kek',
  };

  it.each([
    ['aws-kms', ['KEYMESH_KMS_AWS_KEY_ID', 'KEYMESH_KMS_AWS_REGION']],
    [
      'pkcs11',
      [
        'KEYMESH_KMS_PKCS11_MODULE',
        'KEYMESH_KMS_PKCS11_TOKEN_LABEL',
        'KEYMESH_KMS_PKCS11_KEY_LABEL',
        'KEYMESH_KMS_PKCS11_PIN_FILE',
      ],
    ],
    ['vault-transit', ['KEYMESH_KMS_VAULT_ADDRESS', 'KEYMESH_KMS_VAULT_KEY', 'KEYMESH_KMS_VAULT_TOKEN_FILE']],
    ['azure-key-vault', ['KEYMESH_KMS_AZURE_KEY_ID']],
    ['gcp-kms', ['KEYMESH_KMS_GCP_KEY']],
  ])('names everything that %s lacks', (name, variables) => {
    for (const variable of variables)
      expect(() => read({ KEYMESH_KMS: name })).toThrow(new RegExp(`${variable}: is required`));
  });

  it('reads a token with its PIN, its slot and what its library reads', () => {
    expect(read(PKCS11)).toMatchObject({ kind: 'pkcs11', slot: undefined, environment: undefined });
    const config = read({
      ...PKCS11,
      KEYMESH_KMS_PKCS11_SLOT: '7',
      KEYMESH_KMS_PKCS11_ENVIRONMENT: 'SOFTHSM2_CONF=/etc/a=b.conf,LOG=1',
    });
    expect(config).toMatchObject({
      slot: 7,
      environment: { SOFTHSM2_CONF: '/etc/a=b.conf', LOG: '1' },
    });
    expect(JSON.stringify(config)).not.toContain('1234');
    expect(() => read({ ...PKCS11, KEYMESH_KMS_PKCS11_ENVIRONMENT: 'CANARY' })).toThrow(
      /KEYMESH_KMS_PKCS11_ENVIRONMENT(?!.*CANARY)/,
    );
  });

  it('reads each way to log in at a transit server, with what it needs', () => {
    const token = { KEYMESH_KMS_VAULT_TOKEN_FILE: '/t' };
    expect(read({ ...TRANSIT, ...token })).toMatchObject({
      mount: 'transit',
      auth: { method: 'token', tokenFile: '/t' },
    });
    const role = { KEYMESH_KMS_VAULT_AUTH: 'approle', KEYMESH_KMS_VAULT_ROLE: 'r' };
    expect(() => read({ ...TRANSIT, ...role })).toThrow(/KEYMESH_KMS_VAULT_SECRET_ID_FILE: is required/);
    expect(read({ ...TRANSIT, ...role, KEYMESH_KMS_VAULT_SECRET_ID_FILE: '/s' })).toMatchObject({
      auth: { method: 'approle', mount: 'approle', roleId: 'r', secretIdFile: '/s' },
    });
    const kubernetes = { ...role, KEYMESH_KMS_VAULT_AUTH: 'kubernetes', KEYMESH_KMS_VAULT_AUTH_MOUNT: 'k8s' };
    expect(read({ ...TRANSIT, ...kubernetes })).toMatchObject({
      auth: {
        method: 'kubernetes',
        mount: 'k8s',
        role: 'r',
        jwtFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
      },
    });
  });

  it.each([
    ['KEYMESH_KMS_AZURE_KEY_ID', 'azure-key-vault', 'http://v/keys/k'],
    ['KEYMESH_KMS_AZURE_KEY_ID', 'azure-key-vault', 'https://v/keys/k/0123456789abcdef0123456789abcdef'],
    ['KEYMESH_KMS_AZURE_KEY_ID', 'azure-key-vault', 'https://v/secrets/k'],
    ['KEYMESH_KMS_GCP_KEY', 'gcp-kms', 'projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1'],
    ['KEYMESH_KMS_GCP_KEY', 'gcp-kms', 'k'],
  ])('refuses %s that names no key, or one version of it', (variable, name, value) => {
    expect(() => read({ KEYMESH_KMS: name, [variable]: value })).toThrow(new RegExp(`${variable}: must be`));
  });

  it('takes a key of Azure and of Google without a version', () => {
    const azure = {
      KEYMESH_KMS: 'azure-key-vault',
      KEYMESH_KMS_AZURE_KEY_ID: 'https://v.vault.azure.net/keys/kek',
    };
    expect(read(azure)).toMatchObject({
      keyId: azure.KEYMESH_KMS_AZURE_KEY_ID,
      algorithm: 'RSA-OAEP-256',
    });
    const key = 'projects/p/locations/l/keyRings/r/cryptoKeys/k';
    expect(read({ KEYMESH_KMS: 'gcp-kms', KEYMESH_KMS_GCP_KEY: key })).toMatchObject({
      kind: 'gcp-kms',
      key,
    });
  });
});
