import type { Clock } from '@keymesh/kernel';
import { lockoutMsOf } from '@keymesh/mesh';
import { inStore, transact } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import { TOKEN_FORGET_MS, TOKEN_RULE, type TokenFailures } from '../domain/failed-attempts.js';

/** Counts failures of tokens for all instances, through restarts. Rows are as many as tokens that failed within a day. */
export function makeTokenFailures(
  dataSource: DataSource,
  clock: Clock,
): TokenFailures & { prune(): Promise<void> } {
  const forgotten = (): Date => new Date(clock.now() - TOKEN_FORGET_MS);
  return {
    failed: (key) =>
      transact(dataSource, async (manager) => {
        const nowMs = clock.now();
        await manager.query('DELETE FROM failed_attempt WHERE key = $1 AND locked_until < $2', [
          key,
          forgotten(),
        ]);
        const [row] = await manager.query<{ failures: number }[]>(
          `INSERT INTO failed_attempt (key, failures, failed_at, locked_until) VALUES ($1, 1, $2, $2)
           ON CONFLICT (key) DO UPDATE SET failures = failed_attempt.failures + 1, failed_at = $2 RETURNING failures`,
          [key, new Date(nowMs)],
        );
        const failures = row?.failures ?? 1;
        const lockoutMs = lockoutMsOf(failures, TOKEN_RULE);
        if (lockoutMs === 0) return undefined;
        const until = new Date(nowMs + lockoutMs);
        await manager.query('UPDATE failed_attempt SET locked_until = $2 WHERE key = $1', [key, until]);
        return { failures, lockoutMs };
      }),
    isLockedOut: (key) =>
      inStore(async () => {
        const rows = await dataSource.query<unknown[]>(
          'SELECT 1 FROM failed_attempt WHERE key = $1 AND locked_until > $2',
          [key, new Date(clock.now())],
        );
        return rows.length > 0;
      }),
    prune: () =>
      inStore(async () => {
        await dataSource.query('DELETE FROM failed_attempt WHERE locked_until < $1', [forgotten()]);
      }),
  };
}
