import type { KillSwitch } from '@keymesh/contracts';
import type { EntityManager } from 'typeorm';

// Queries on kill switches, all within the caller's transaction.

interface Row {
  readonly kill_id: string;
  readonly scope: KillSwitch['scope'];
  readonly name: string | null;
  readonly reason: string;
  readonly since: Date;
  readonly set_by: string;
}

/** Every kill switch ever set, also those that were lifted, in the order in which they were set. */
export async function listKills(manager: EntityManager): Promise<KillSwitch[]> {
  const rows = await manager.query<Row[]>('SELECT * FROM kill_switch ORDER BY since, kill_id');
  return rows.map(({ kill_id: killId, scope, name, reason, since, set_by: by }) => ({
    killId,
    scope,
    ...(name === null ? {} : { name }),
    reason,
    since: since.toISOString(),
    by,
  }));
}

/** Adds kill switches; those that are there already stay as they are. */
export async function insertKills(manager: EntityManager, kills: readonly KillSwitch[]): Promise<void> {
  for (const { killId, scope, name = null, reason, since, by } of kills)
    await manager.query(
      `INSERT INTO kill_switch (kill_id, scope, name, reason, since, set_by) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (kill_id) DO NOTHING`,
      [killId, scope, name, reason, since, by],
    );
}
