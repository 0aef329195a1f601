import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { describe, expect, it } from '@jest/globals';
import { retrieveCredential, storeCredential } from '@keymesh/contracts';
import { API_KEY, text, textOf } from '../fakes.js';
import { startMoto } from '../support/moto.js';
import { startOpenBao } from '../support/open-bao.js';
import { startSoftHsm } from '../support/softhsm.js';
import { startVaultWorld } from '../support/vault-world.js';

interface RunningKms {
  /** The vault's variables; absent: a master key file. */
  readonly variables?: Readonly<Record<string, string>>;
  /** What may not stand in the vault's log. */
  readonly secrets: readonly string[];
  stop(): Promise<unknown> | undefined;
}

/** Every KMS that runs here for real. */
const PROVIDERS: Readonly<Record<string, () => Promise<RunningKms>>> = {
  local: () => Promise.resolve({ secrets: [], stop: () => undefined }),
  'aws-kms': async () => {
    const moto = await startMoto();
    const credentials = { accessKeyId: 'vault', secretAccessKey: randomBytes(16).toString('hex') };
    const admin = new KMSClient({ region: 'eu-west-1', endpoint: moto.endpoint, credentials });
    const { KeyMetadata } = await admin.send(new CreateKeyCommand({}));
    admin.destroy();
    const chain = {
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    };
    // The world's first keys are wrapped in this process.
    Object.assign(process.env, chain);
    return {
      variables: {
        KEYMESH_KMS: 'aws-kms',
        KEYMESH_KMS_AWS_KEY_ID: KeyMetadata?.KeyId ?? '',
        KEYMESH_KMS_AWS_REGION: 'eu-west-1',
        KEYMESH_KMS_AWS_ENDPOINT: moto.endpoint,
        ...chain,
      },
      secrets: [credentials.secretAccessKey],
      stop: () => moto.stop(),
    };
  },
  pkcs11: async () => {
    const hsm = await startSoftHsm();
    const pinFile = `${hsm.tokens}.pin`;
    writeFileSync(pinFile, hsm.pin, { mode: 0o600 });
    return {
      variables: {
        KEYMESH_KMS: 'pkcs11',
        KEYMESH_KMS_PKCS11_MODULE: hsm.module,
        KEYMESH_KMS_PKCS11_TOKEN_LABEL: hsm.tokenLabel,
        KEYMESH_KMS_PKCS11_KEY_LABEL: 'kek',
        KEYMESH_KMS_PKCS11_PIN_FILE: pinFile,
        KEYMESH_KMS_PKCS11_ENVIRONMENT: `SOFTHSM2_CONF=${hsm.environment.SOFTHSM2_CONF ?? ''}`,
      },
      secrets: [hsm.pin],
      stop: () => hsm.stop(),
    };
  },
  'vault-transit': async () => {
    const bao = await startOpenBao();
    await bao.api('POST', 'transit/keys/kek', {});
    const token = await bao.tokenFor('kek');
    return {
      variables: {
        KEYMESH_KMS: 'vault-transit',
        KEYMESH_KMS_VAULT_ADDRESS: bao.address,
        KEYMESH_KMS_VAULT_KEY: 'kek',
        KEYMESH_KMS_VAULT_TOKEN_FILE: await bao.file('token', token),
      },
      secrets: [token],
      stop: () => bao.stop(),
    };
  },
};

describe.each(Object.entries(PROVIDERS))('the vault as a process, its root in %s', (name, start) => {
  it('serves what it stored after a restart, and says whose key wraps', async () => {
    const kms = await start();
    const world = await startVaultWorld(kms.variables);
    try {
      const writer = await world.addClient('writer', ['writer', 'reader']);
      const first = await world.startVaultProcess();
      const values = { value: text(API_KEY) };
      await writer.call(storeCredential, { name: 'payments', type: 'api_key', values });
      await first.kill('SIGKILL');
      const second = await world.startVaultProcess();
      const { values: found } = await writer.call(
        retrieveCredential,
        { name: 'payments' },
        { deadlineMs: 15_000 },
      );
      expect(textOf(found.value)).toBe(API_KEY);
      const [kek] = await world.rows.query<{ provider: string }[]>('SELECT provider FROM namespace_kek');
      expect(kek?.provider).toBe(name);
      // An end by SIGTERM waits for nobody: the token's process, the SDK's sockets.
      await second.kill('SIGTERM');
      const logged = first.text() + second.text();
      expect(logged).toContain('ready');
      for (const secret of [API_KEY, ...kms.secrets]) expect(logged).not.toContain(secret);
    } finally {
      await world.stop();
      await kms.stop();
    }
  }, 180_000);
});
