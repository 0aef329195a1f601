import type { DataSource } from 'typeorm';
import { identifier } from './identifier.js';
import { inStore } from './transact.js';

/** The last accepted policy bundle. */
export interface StoredBundle {
  readonly version: number;
  /** Signed, uncompressed. */
  readonly bytes: Uint8Array;
}

/** The same, and since when its age counts. */
export interface FloorBundle extends StoredBundle {
  /** When the policy service last vouched for it, or for one before it; milliseconds since the epoch by some instance's wall clock. */
  readonly attestedAtMs: number;
}

/** Where the last accepted bundle is kept, so that no restart takes an older one. @throws STORE_UNAVAILABLE from each function. */
export interface BundleFloor {
  load(): Promise<FloorBundle | undefined>;
  /** Keeps it unless a newer one is kept already. The very first one counts as attested now. */
  raise(bundle: StoredBundle, nowMs: number): Promise<void>;
  /** Keeps when a bundle was vouched for. Changes nothing for another version than the one that is kept. */
  attest(version: number, attestedAtMs: number): Promise<void>;
}

/** DDL of the floor, for a migration of the service. All its instances share it. */
export const bundleFloorMigration = (schema: string): string => `
    CREATE TABLE ${identifier(schema)}.bundle_floor (
      id smallint PRIMARY KEY CHECK (id = 1),
      version int NOT NULL,
      bundle bytea NOT NULL,
      accepted_at timestamptz NOT NULL DEFAULT now(),
      attested_at timestamptz NOT NULL DEFAULT now()
    );`;

// Two instances may accept bundles in another order: the higher version stays. A restore raises the version alone, above the bundle that it
// brought back; the bundle that then comes is of that version.
const RAISE = `
  INSERT INTO bundle_floor (id, version, bundle, attested_at) VALUES (1, $1, $2, $3)
  ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version, bundle = EXCLUDED.bundle, accepted_at = now()
  WHERE bundle_floor.version <= EXCLUDED.version`;

// INVARIANT: what was said of one bundle is never kept beside another. An instance whose clock is behind does not make it older.
const ATTEST =
  'UPDATE bundle_floor SET attested_at = $2 WHERE id = 1 AND version = $1 AND (attested_at < $2 OR attested_at > $3)';

/** The floor in the service's own schema. */
export const makeBundleFloor = (dataSource: DataSource): BundleFloor => ({
  load: () =>
    inStore(async () => {
      const [row] = await dataSource.query<{ version: number; bundle: Buffer; attested_at: Date }[]>(
        'SELECT version, bundle, attested_at FROM bundle_floor WHERE id = 1',
      );
      if (row === undefined) return undefined;
      const { version, bundle, attested_at } = row;
      return { version, bytes: new Uint8Array(bundle), attestedAtMs: attested_at.getTime() };
    }),
  raise: ({ version, bytes }, nowMs) =>
    inStore(async () => {
      await dataSource.query(RAISE, [version, Buffer.from(bytes), new Date(nowMs)]);
    }),
  attest: (version, attestedAtMs) =>
    inStore(async () => {
      const aheadOf = new Date(attestedAtMs + MAX_AHEAD_MS);
      await dataSource.query(ATTEST, [version, new Date(attestedAtMs), aheadOf]);
    }),
});

/** Clocks of two instances differ by less: a time further ahead was written by one that was wrong, and is put right. */
const MAX_AHEAD_MS = 60_000;
