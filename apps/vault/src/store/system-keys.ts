import { inStore } from '@keymesh/postgres';
import { failure } from '@keymesh/contracts';
import { KeymeshError, type Secret } from '@keymesh/kernel';
import type { DataSource } from 'typeorm';
import type { Kms } from '../kms/kms.js';
import { SystemKeyEntity } from './entities/key.entities.js';

export type SystemKeyPurpose = SystemKeyEntity['purpose'];
/** What binds a system key to its purpose. */
export const systemKeyContext = (purpose: SystemKeyPurpose) => ({
  purpose: `keymesh/v1/system-key/${purpose}`,
});

/** @returns the unwrapped key, which the caller disposes; undefined when it was never made. @throws KMS_UNAVAILABLE, DECRYPTION_FAILED, STORE_UNAVAILABLE */
export async function findSystemKey(
  dataSource: DataSource,
  kms: Kms,
  purpose: SystemKeyPurpose,
): Promise<{ readonly key: Secret; readonly publicKey: string | null } | undefined> {
  const row = await inStore(() => dataSource.getRepository(SystemKeyEntity).findOneBy({ purpose }));
  if (row === null) return undefined;
  return { key: await kms.unwrapKey(row.wrapped, systemKeyContext(purpose)), publicKey: row.publicKey };
}

/** Keeps a key unless there is one of this purpose already. @param key the caller keeps ownership. */
export async function addSystemKey(
  dataSource: DataSource,
  kms: Kms,
  {
    purpose,
    key,
    publicKey,
  }: { readonly purpose: SystemKeyPurpose; readonly key: Secret; readonly publicKey: string | null },
): Promise<void> {
  const wrapped = Buffer.from(await kms.wrapKey(key, systemKeyContext(purpose)));
  const row = { purpose, publicKey, provider: kms.provider, providerKeyId: kms.keyId, wrapped };
  await inStore(() =>
    dataSource.getRepository(SystemKeyEntity).createQueryBuilder().insert().values(row).orIgnore().execute(),
  );
}

/** As {@link findSystemKey}, for a service that cannot go on without. @throws CONFIG_INVALID with what to do */
export async function openSystemKey(
  dataSource: DataSource,
  kms: Kms,
  purpose: SystemKeyPurpose,
): Promise<Secret> {
  const found = await findSystemKey(dataSource, kms, purpose).catch((error: unknown) => {
    throw KeymeshError.is(error) && error.code === 'DECRYPTION_FAILED'
      ? failure('CONFIG_INVALID', {
          publicMessage: `The ${purpose} key does not unwrap: the KMS key, the master key file or its passphrase is another one.`,
        })
      : error;
  });
  if (found === undefined)
    throw failure('CONFIG_INVALID', {
      publicMessage: 'The vault is not initialised: run its init.js first.',
    });
  return found.key;
}
