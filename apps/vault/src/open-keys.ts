import { failure } from '@keymesh/contracts';
import { signingKeyOf, type SigningKey } from '@keymesh/kernel';
import type { ChannelKeysHookKit } from '@keymesh/service-kit';
import type { VaultConfig } from './config.js';
import type { CredentialPolicyOf } from './domain/quality/credential-policy.js';
import { makeRowSeal, type RowSeal } from './domain/row-mac.js';
import type { RootKms } from './kms/composite.js';
import { openKms } from './kms/index.js';
import type { Kms } from './kms/kms.js';
import { observeKms, type KmsCall } from './kms/observed.js';
import { makeReopenedKms, type ReopenedKms } from './kms/reopened.js';
import { openSystemKey } from './store/system-keys.js';

/** The vault's own keys, unwrapped once at start and kept while it runs: neither encrypts a credential. */
export interface VaultKeys {
  /** Let go of while the vault is locked. */
  readonly kms: RootKms & ReopenedKms;
  /** Signs the channel keys of all services. */
  readonly meshKey: SigningKey;
  readonly seal: RowSeal;
}

/** @param policyOf what the credential policy says now. @throws CONFIG_INVALID when the vault is not initialised or is another mesh's, KMS_UNAVAILABLE, STORE_UNAVAILABLE */
export async function openKeys(
  { config, dataSource, clock }: Pick<ChannelKeysHookKit<VaultConfig>, 'config' | 'dataSource' | 'clock'>,
  policyOf: CredentialPolicyOf,
  onKmsCall: (call: KmsCall) => void,
): Promise<VaultKeys> {
  const observe = (member: Kms): Kms => observeKms(member, clock, onKmsCall);
  const kms = await makeReopenedKms(() => openKms(config.kms, { clock, observe }));
  using meshSeed = await openSystemKey(dataSource, kms, 'mesh');
  using integrityKey = await openSystemKey(dataSource, kms, 'integrity');
  const meshKey = signingKeyOf(meshSeed);
  if (meshKey.publicKeyText !== config.trustRoot.meshPublicKey) {
    throw failure('CONFIG_INVALID', {
      publicMessage:
        "KEYMESH_TRUST_FILE: its meshPublicKey is not this vault's mesh key. The database or the file is another mesh's.",
    });
  }
  return { kms, meshKey, seal: makeRowSeal(integrityKey, policyOf) };
}
