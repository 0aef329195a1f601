import { randomBytes } from 'node:crypto';
import { failure } from '@keymesh/contracts';
import { makeSigningKey, Secret, signingKeyOf } from '@keymesh/kernel';
import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { Kms } from './kms/kms.js';
import { addSystemKey, findSystemKey } from './store/system-keys.js';

/**
 * Makes the mesh key and the integrity key, wrapped by the KMS, where they are not there yet.
 * @returns the mesh's public key, 32 bytes base64url. Safe to repeat: the keys that were first stay.
 * @throws STORE_UNAVAILABLE, KMS_UNAVAILABLE, CONFIG_INVALID when the KMS is not the one that wrapped the keys.
 */
export async function initialise(dataSource: DataSource, kms: Kms): Promise<string> {
  if (!dataSource.isInitialized) await inStore(() => dataSource.initialize());
  const known = await open(dataSource, kms);
  if (known === undefined) {
    const { key, seed } = makeSigningKey();
    using meshSeed = seed;
    using integrityKey = new Secret(new Uint8Array(randomBytes(32)), 'integrity-key');
    await addSystemKey(dataSource, kms, { purpose: 'integrity', key: integrityKey, publicKey: null });
    await addSystemKey(dataSource, kms, { purpose: 'mesh', key: meshSeed, publicKey: key.publicKeyText });
  }
  // Read back: somebody else may have been first, and what counts is what can be unwrapped again.
  const publicKey = known ?? (await open(dataSource, kms));
  if (publicKey === undefined)
    throw failure('INTERNAL', { details: { reason: 'the keys that were kept are not there' } });
  return publicKey;
}

/** @returns the public key of the mesh key, if both keys are there. */
async function open(dataSource: DataSource, kms: Kms): Promise<string | undefined> {
  const found = await Promise.all([
    findSystemKey(dataSource, kms, 'mesh'),
    findSystemKey(dataSource, kms, 'integrity'),
  ]).catch((error: unknown) => {
    throw (error as { code?: unknown }).code === 'DECRYPTION_FAILED'
      ? failure('CONFIG_INVALID', {
          publicMessage:
            'The vault has keys that this KMS does not unwrap: the master key file, passphrase or KMS key is another one.',
        })
      : error;
  });
  const [mesh, integrity] = found;
  if (mesh === undefined || integrity === undefined) return undefined;
  using seed = mesh.key;
  integrity.key.dispose();
  return signingKeyOf(seed).publicKeyText;
}
