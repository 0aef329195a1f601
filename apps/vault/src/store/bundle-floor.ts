import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { BundleFloor } from '../transport/floored-policy.js';
import { BundleFloorEntity } from './entities/key.entities.js';

// Two instances may accept bundles in another order: the higher version stays. A restore raises the version alone, above the bundle that it
// brought back; the bundle that then comes is of that version.
const RAISE = `
  INSERT INTO bundle_floor (id, version, bundle) VALUES (1, $1, $2)
  ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version, bundle = EXCLUDED.bundle, accepted_at = now()
  WHERE bundle_floor.version <= EXCLUDED.version`;

/** The port {@link BundleFloor} over Postgres. */
export const makeBundleFloor = (dataSource: DataSource): BundleFloor => ({
  load: () =>
    inStore(async () => {
      const row = await dataSource.getRepository(BundleFloorEntity).findOneBy({ id: 1 });
      return row === null ? undefined : { version: row.version, bytes: row.bundle };
    }),
  raise: ({ version, bytes }) =>
    inStore(async () => {
      await dataSource.query(RAISE, [version, Buffer.from(bytes)]);
    }),
});
