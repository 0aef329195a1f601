import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { KekStore, WrappedKek } from '../kms/keyring.js';
import { NamespaceEntity, NamespaceKekEntity } from './entities/key.entities.js';

/** The port {@link KekStore} over Postgres. */
export function makeKekStore(dataSource: DataSource): KekStore {
  const namespaces = dataSource.getRepository(NamespaceEntity);
  const keks = dataSource.getRepository(NamespaceKekEntity);
  return {
    ensureNamespace: (name, newId) =>
      inStore(async () => {
        const known = await namespaces.findOneBy({ name });
        if (known !== null) return known.namespaceId;
        await namespaces
          .createQueryBuilder()
          .insert()
          .values({ namespaceId: newId, name })
          .orIgnore()
          .execute();
        return (await namespaces.findOneByOrFail({ name })).namespaceId;
      }),
    findActive: (namespaceId) =>
      inStore(async () => toKek(await keks.findOneBy({ namespaceId, active: true }))),
    find: (kekId) => inStore(async () => toKek(await keks.findOneBy({ kekId }))),
    addFirst: (kek) =>
      inStore(async () => {
        const row = { ...kek, wrapped: Buffer.from(kek.wrapped), active: true };
        await keks.createQueryBuilder().insert().values(row).orIgnore().execute();
      }),
  };
}

const toKek = (row: NamespaceKekEntity | null): WrappedKek | undefined => row ?? undefined;
