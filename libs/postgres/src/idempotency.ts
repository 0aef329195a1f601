import type { EntityManager } from 'typeorm';
import { identifier } from './identifier.js';

/** DDL of the table behind {@link once}, for a service's first migration. */
export const idempotencyMigration = (schema: string): string => `
    CREATE TABLE ${identifier(schema)}.idempotency (
      principal text NOT NULL,
      request_id text NOT NULL,
      reply jsonb,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (principal, request_id)
    );
    CREATE INDEX idempotency_created ON ${identifier(schema)}.idempotency (created_at);`;

/**
 * Runs `work` at most once for (principal, request id), within the caller's transaction; a repeat gets the first one's reply.
 * Two at the same time: the second waits for the first's commit. A rollback leaves no trace, so a failure may be tried again.
 * INVARIANT: the key is the principal, not its session. A broker that lets a request through and answers CHANNEL_EXPIRED makes the
 * caller ask again in a new session; the request id is the same, so it happens once all the same.
 * @param principal who asks, as the channel proved.
 * @param work its reply is stored as JSON: it must hold no Secret.
 */
export async function once<T>(
  manager: EntityManager,
  principal: string,
  requestId: string,
  work: () => Promise<T>,
): Promise<{ readonly reply: T; readonly repeated: boolean }> {
  const inserted = await manager.query<unknown[]>(
    'INSERT INTO idempotency (principal, request_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1 AS new',
    [principal, requestId],
  );
  if (inserted.length === 0) {
    const [row] = await manager.query<{ reply: T }[]>(
      'SELECT reply FROM idempotency WHERE principal = $1 AND request_id = $2',
      [principal, requestId],
    );
    if (row === undefined) throw new Error('an idempotency row went away while it was waited for');
    return { reply: row.reply, repeated: true };
  }
  const reply = await work();
  await manager.query('UPDATE idempotency SET reply = $3 WHERE principal = $1 AND request_id = $2', [
    principal,
    requestId,
    JSON.stringify(reply),
  ]);
  return { reply, repeated: false };
}

/** Forgets rows older than this: far longer than anybody asks again. @returns how many went. */
export async function pruneIdempotency(manager: EntityManager, olderThanSeconds = 86_400): Promise<number> {
  const [, count] = await manager.query<[unknown[], number]>(
    `DELETE FROM idempotency WHERE created_at < now() - $1 * interval '1 second'`,
    [olderThanSeconds],
  );
  return count;
}
