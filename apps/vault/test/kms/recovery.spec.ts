import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { keyJob, retrieveCredential, rewrapKeys, storeCredential } from '@keymesh/contracts';
import type { Caller } from '@keymesh/mesh';
import { eventually, expectCode } from '@keymesh/testing';
import { readInitConfig } from '../../src/config.js';
import { openKms } from '../../src/kms/index.js';
import { countOtherWraps } from '../../src/store/root-keys.js';
import { openSystemKey } from '../../src/store/system-keys.js';
import { text, textOf } from '../fakes.js';
import { startMoto, type Moto } from '../support/moto.js';
import { writeRecoveryFiles, type RecoveryFiles } from '../support/recovery-files.js';
import { startVaultWorld, type VaultWorld } from '../support/vault-world.js';

const REGION = 'eu-west-1';
const NAMES = ['stripe', 'billing/database', 'billing/queue', 'research/api'];

// The story that recovery exists for: the KMS is gone for good, and people bring their shares.
describe('a vault whose root is kept by any of AWS KMS and recovery shares', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keymesh-recovery-'));
  let moto: Moto;
  let world: VaultWorld;
  let files: RecoveryFiles;
  let client: Caller;
  const values = new Map(NAMES.map((name) => [name, randomBytes(24).toString('base64url')]));
  const withShares = (...indexes: number[]) => ({
    KEYMESH_KMS_RECOVERY_SHARE_FILES: indexes.map((index) => files.shareFiles[index - 1]).join(':'),
  });
  const expectAllServed = async () => {
    for (const [name, value] of values) {
      const { values: parts } = await eventually(() => client.call(retrieveCredential, { name }));
      expect(textOf(parts.value)).toBe(value);
    }
  };
  const store = (name: string, value: string) =>
    client.call(storeCredential, { name, type: 'generic', values: { value: text(value) } });

  beforeAll(async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
    moto = await startMoto();
    const admin = new KMSClient({ region: REGION, endpoint: moto.endpoint });
    const { KeyMetadata } = await admin.send(new CreateKeyCommand({}));
    admin.destroy();
    files = await writeRecoveryFiles(join(folder, 'key'), { shares: 5, threshold: 3 });
    world = await startVaultWorld({
      KEYMESH_KMS: 'any-of',
      KEYMESH_KMS_MEMBERS: 'aws-kms,recovery',
      KEYMESH_KMS_AWS_KEY_ID: KeyMetadata?.KeyId ?? '',
      KEYMESH_KMS_AWS_REGION: REGION,
      KEYMESH_KMS_AWS_ENDPOINT: moto.endpoint,
      KEYMESH_KMS_RECOVERY_PUBLIC_KEY_FILE: files.publicKeyFile,
    });
    client = await world.addClient('ops', ['writer', 'reader', 'operator']);
    await world.startVault();
    for (const [name, value] of values) await eventually(() => store(name, value));
    await expectAllServed();
    await world.stopVaults();
  }, 120_000);
  afterAll(async () => {
    await world.stop();
    rmSync(folder, { recursive: true });
  }, 60_000);

  it('serves everything after a restart while the KMS is there, without any share', async () => {
    await world.startVault();
    await expectAllServed();
    await world.stopVaults();
  }, 60_000);

  it('does not start without the KMS and without shares, with too few, or with damaged ones', async () => {
    await moto.stop();
    await expectCode(world.startVault(), 'KMS_UNAVAILABLE');
    const tooFew = await expectCode(world.startVault(withShares(4, 2)), 'RECOVERY_SHARES_INVALID');
    expect(tooFew.publicMessage).toBe('2 of 3 needed shares are here. Bring the others.');
    await expectCode(world.startVault(withShares(4, 2, 4)), 'RECOVERY_SHARES_INVALID');
    const other = await writeRecoveryFiles(join(folder, 'other'), { shares: 5, threshold: 3 });
    const foreign = { KEYMESH_KMS_RECOVERY_SHARE_FILES: other.shareFiles.slice(0, 3).join(':') };
    await expectCode(world.startVault(foreign), 'RECOVERY_SHARES_INVALID');
  }, 120_000);

  it('serves every credential with three of five shares; what must be wrapped by the lost KMS too is refused', async () => {
    await world.startVault(withShares(5, 1, 3));
    await expectAllServed();
    values.set('stripe', 'a value stored during the emergency');
    const again = {
      name: 'stripe',
      type: 'generic',
      values: { value: text(values.get('stripe')!) },
    } as const;
    await client.call(storeCredential, { ...again, expectedVersion: 1 });
    await expectAllServed();
    await expectCode(store('new-namespace/x', 'y'), 'KMS_UNAVAILABLE');
    await world.stopVaults();
  }, 120_000);

  it('moves to another KMS: with the shares everything is rewrapped, and then nobody needs them', async () => {
    const masterKeyFile = join(folder, 'new-master.key');
    await writeFile(masterKeyFile, randomBytes(32), { mode: 0o600 });
    const local = { KEYMESH_KMS_MASTER_KEY_FILE: masterKeyFile };
    const moved = { KEYMESH_KMS_MEMBERS: 'local,recovery' };
    await world.startVault({ ...local, ...moved, ...withShares(2, 3, 4) });
    const { isCurrent } = await openKms(readInitConfig(world.environment({ ...local, ...moved })).kms);
    expect(await countOtherWraps(world.rows.manager, isCurrent)).toBeGreaterThan(3); // what a start warns of
    const { jobs } = await eventually(() => client.call(rewrapKeys, { root: true }));
    await eventually(
      async () => expect((await client.call(keyJob, { jobId: jobs[0]!.jobId })).state).toBe('completed'),
      { timeoutMs: 20_000 },
    );
    expect(await countOtherWraps(world.rows.manager, isCurrent)).toBe(0);
    await expectAllServed();
    await world.stopVaults();

    await world.startVault({ ...local, KEYMESH_KMS: 'local' });
    await expectAllServed();
    await store('new-namespace/x', 'y');
    await world.stopVaults();
  }, 120_000);

  it('still opens with shares alone after the move', async () => {
    const absent = { KEYMESH_KMS_AWS_ENDPOINT: moto.endpoint, ...withShares(1, 2, 3) };
    const kms = await openKms(readInitConfig(world.environment(absent)).kms);
    (await openSystemKey(world.rows, kms, 'integrity')).dispose();
  }, 60_000);
});
