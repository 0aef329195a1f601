import type { BundleSession } from '@keymesh/contracts';
import type { EntityManager } from 'typeorm';

// Queries on sessions by identity rules, all within the caller's transaction.

interface Row {
  readonly nkey: string;
  readonly channel_key: string;
  readonly principal: string;
  readonly rule_id: string;
  readonly opened_at: Date;
  readonly expires_at: Date;
  readonly certificate: BundleSession['certificate'] | null;
}

/** Sessions that have not ended, by nkey. */
export async function listSessions(manager: EntityManager, nowMs: number): Promise<BundleSession[]> {
  const rows = await manager.query<Row[]>('SELECT * FROM session WHERE expires_at > $1 ORDER BY nkey', [
    new Date(nowMs),
  ]);
  return rows.map(({ nkey, channel_key, principal, rule_id, opened_at, expires_at, certificate }) => ({
    ...{ principal, ruleId: rule_id, nkey, channelKey: channel_key },
    openedAt: opened_at.toISOString(),
    expiresAt: expires_at.toISOString(),
    ...(certificate === null ? {} : { certificate }),
  }));
}

/** Adds sessions; one of the same nkey is prolonged. */
export async function saveSessions(
  manager: EntityManager,
  sessions: readonly BundleSession[],
): Promise<void> {
  for (const { nkey, channelKey, principal, ruleId, openedAt, expiresAt, certificate } of sessions)
    await manager.query(
      `INSERT INTO session (nkey, channel_key, principal, rule_id, opened_at, expires_at, certificate)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (nkey) DO UPDATE
       SET channel_key = $2, principal = $3, rule_id = $4, opened_at = $5, expires_at = $6, certificate = $7`,
      [nkey, channelKey, principal, ruleId, openedAt, expiresAt, certificate ?? null],
    );
}

/** Ends sessions by their nkeys. */
export async function endSessions(manager: EntityManager, nkeys: readonly string[]): Promise<void> {
  if (nkeys.length > 0) await manager.query('DELETE FROM session WHERE nkey = ANY($1)', [nkeys]);
}

/** Ends all of a principal's: what was taken from it does not come back with it. */
export async function endSessionsOf(manager: EntityManager, principal: string): Promise<void> {
  await manager.query('DELETE FROM session WHERE principal = $1', [principal]);
}

/** Forgets what has ended; bundles left it out already. */
export async function pruneSessions(manager: EntityManager, nowMs: number): Promise<void> {
  await manager.query('DELETE FROM session WHERE expires_at <= $1', [new Date(nowMs)]);
}
