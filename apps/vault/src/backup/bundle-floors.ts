import type { DataSource, EntityManager } from 'typeorm';

/** Schemas of the services that decide by bundles and keep the last accepted one. */
const FLOOR_SCHEMAS = ['vault', 'audit', 'rotation', 'anomaly_detector'] as const;

interface FloorRow {
  readonly version: number;
  readonly bundle: Buffer;
  readonly attested_at: Date;
}

/**
 * Carries every service's floor over from the former database.
 * INVARIANT: a floor never goes down: no bundle that was once overtaken decides again.
 * @param manager of the transaction over the restored database.
 */
export async function carryFloors(former: DataSource, manager: EntityManager): Promise<void> {
  for (const schema of FLOOR_SCHEMAS) {
    const [floor] = await former.query<FloorRow[]>(
      `SELECT version, bundle, attested_at FROM ${schema}.bundle_floor`,
    );
    if (floor === undefined) continue;
    await manager.query(
      `INSERT INTO ${schema}.bundle_floor (id, version, bundle, attested_at) VALUES (1, $1, $2, $3)
       ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version, bundle = EXCLUDED.bundle, attested_at = EXCLUDED.attested_at
       WHERE bundle_floor.version < EXCLUDED.version`,
      [floor.version, floor.bundle, floor.attested_at],
    );
  }
}

/** Raises every floor above the restored bundle: no service decides anything until the policy service has made a newer one. */
export async function raiseFloors(manager: EntityManager): Promise<void> {
  for (const schema of FLOOR_SCHEMAS)
    await manager.query(
      `UPDATE ${schema}.bundle_floor SET version = 1 + greatest(version, (SELECT coalesce(max(version), 0) FROM policy.bundle))`,
    );
}
