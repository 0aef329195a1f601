import { makeRowSeal } from '../../src/domain/row-mac.js';
import { openKms } from '../../src/kms/index.js';
import { CredentialEntity, fromCredential } from '../../src/store/entities/credential.entity.js';
import { openCredentialRow } from '../../src/store/sealed-rows.js';
import { openSystemKey } from '../../src/store/system-keys.js';
import type { VaultWorld } from './vault-world.js';

/** Lets the recovery window of a deleted credential be over, as if its days had passed: sealed as the vault would. While no vault runs. */
export async function endRecoveryWindow(world: VaultWorld, credentialId: string): Promise<void> {
  const { rows } = world;
  const masterKeyFile = world.environment().KEYMESH_KMS_MASTER_KEY_FILE ?? '';
  const kms = await openKms({ kind: 'local', masterKeyFile, passphrase: undefined });
  const seal = makeRowSeal(await openSystemKey(rows, kms, 'integrity'));
  const credentials = rows.getRepository(CredentialEntity);
  const deleted = openCredentialRow(seal, await credentials.findOneByOrFail({ credentialId }));
  const overdue = { ...deleted, recoverableUntilMs: Date.now() - 1 };
  const { credentialId: _id, ...row } = fromCredential(overdue, seal.credentialMac(overdue));
  await credentials.update({ credentialId }, row);
}
