import { failure } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import { insertOutbox, once, transact } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { KeyJob, KeyJobOrder, KeyMutations, KeyTransaction } from '../domain/key-jobs.js';
import type { WrappedKek } from '../kms/keyring.js';
import type { RowSeal } from '../domain/row-mac.js';
import { writeLock } from './lock-state.js';
import { endJob, HOLDS_BYTES, selectJob, type Queries } from './key-job-rows.js';

export interface KeyMutationsOptions {
  readonly dataSource: DataSource;
  readonly clock: Clock;
  readonly seal: Pick<RowSeal, 'messageMac'>;
  /** The newest revision of the lock that this instance has seen. */
  readonly lockRevision: () => number;
  /** After each commit; must not throw. */
  readonly afterCommit: () => void;
}

/** The port {@link KeyMutations} over Postgres. */
export const makeKeyMutations = (options: KeyMutationsOptions): KeyMutations => ({
  async run(call, work) {
    const { reply } = await transact(options.dataSource, (manager) =>
      once(manager, call.principal, call.requestId, () => work(makeTransaction(manager, options))),
    );
    options.afterCommit();
    return reply;
  },
});

function makeTransaction(
  manager: EntityManager,
  { clock, seal, lockRevision }: KeyMutationsOptions,
): KeyTransaction {
  return {
    async lockNamespace(namespace) {
      const [row] = await manager.query<{ namespace_id: string }[]>(
        // Other rotations wait; stores, which only refer to the namespace, do not.
        'SELECT namespace_id FROM namespace WHERE name = $1 FOR NO KEY UPDATE',
        [namespace],
      );
      if (row === undefined) throw failure('NAMESPACE_NOT_FOUND');
      const [latest] = await manager.query<{ version: number }[]>(
        'SELECT coalesce(max(version), 0) AS version FROM namespace_kek WHERE namespace_id = $1',
        [row.namespace_id],
      );
      return { namespaceId: row.namespace_id, latestVersion: latest?.version ?? 0 };
    },
    activateKek: (kek) => activateKek(manager, kek, clock.now()),
    destroyKek: (namespace, version) => destroyKek(manager, namespace, version, clock.now()),
    startJob: (order, by) => startJob(manager, order, by, clock.now()),
    async cancelJob(jobId) {
      const job = await selectJob(manager, jobId, 'FOR UPDATE OF j');
      if (job.state !== 'running') return { job, cancelled: false };
      const ended = await endJob(manager, job, 'cancelled', { error: null, nowMs: clock.now() });
      return { job: ended, cancelled: true };
    },
    async listNamespaces() {
      const rows = await manager.query<{ namespace_id: string; name: string }[]>(
        'SELECT n.namespace_id, n.name FROM namespace n JOIN namespace_kek k USING (namespace_id) WHERE k.active ORDER BY n.name',
      );
      return rows.map((row) => ({ namespaceId: row.namespace_id, namespace: row.name }));
    },
    setLock: (locked, by) =>
      writeLock(manager, seal, { locked, changedBy: by, changedAtMs: clock.now() }, lockRevision()),
    announce: ({ kind, id, subject, payload, beside }) =>
      insertOutbox(manager, {
        ...{ kind, id, subject, payload: Buffer.from(payload) },
        ...(beside === undefined ? {} : { beside }),
      }),
  };
}

async function activateKek(queries: Queries, kek: WrappedKek, nowMs: number): Promise<void> {
  await queries.query('UPDATE namespace_kek SET active = false WHERE namespace_id = $1 AND active', [
    kek.namespaceId,
  ]);
  await queries.query(
    `INSERT INTO namespace_kek (kek_id, namespace_id, version, active, provider, provider_key_id, wrapped, created_at)
     VALUES ($1, $2, $3, true, $4, $5, $6, $7)`,
    [
      kek.kekId,
      kek.namespaceId,
      kek.version,
      kek.provider,
      kek.providerKeyId,
      Buffer.from(kek.wrapped),
      new Date(nowMs),
    ],
  );
}

/**
 * FOR UPDATE waits for every transaction that is writing a version under this KEK (the trigger require_living_kek holds its row), and makes
 * later ones wait: so what is counted here is all there will ever be.
 */
async function destroyKek(
  queries: Queries,
  namespace: string,
  version: number,
  nowMs: number,
): Promise<{ kekId: string }> {
  const [kek] = await queries.query<{ kek_id: string; active: boolean; destroyed_at: Date | null }[]>(
    `SELECT k.kek_id, k.active, k.destroyed_at FROM namespace_kek k JOIN namespace n USING (namespace_id)
     WHERE n.name = $1 AND k.version = $2 FOR UPDATE OF k`,
    [namespace, version],
  );
  if (kek === undefined) {
    throw failure('NAMESPACE_NOT_FOUND', {
      publicMessage: 'There is no such key version of this namespace. See `keymesh key status`.',
    });
  }
  if (kek.destroyed_at !== null) return { kekId: kek.kek_id };
  if (kek.active) {
    throw failure('KEY_IN_USE', {
      publicMessage: 'This key version is the active one. Rotate the key and rewrap before you destroy it.',
    });
  }
  const [used] = await queries.query<{ rows: number }[]>(
    `SELECT count(*)::int AS rows FROM credential_version WHERE kek_id = $1 AND ${HOLDS_BYTES}`,
    [kek.kek_id],
  );
  if (used?.rows !== 0) throw failure('KEY_IN_USE', { details: { rows: used?.rows } });
  await queries.query(`UPDATE namespace_kek SET wrapped = ''::bytea, destroyed_at = $2 WHERE kek_id = $1`, [
    kek.kek_id,
    new Date(nowMs),
  ]);
  return { kekId: kek.kek_id };
}

const TOTALS: Readonly<Record<KeyJobOrder['kind'], string>> = {
  rewrap: `SELECT count(*) FROM credential_version v JOIN namespace_kek k USING (kek_id)
    WHERE k.namespace_id = $1::uuid AND NOT k.active AND v.${HOLDS_BYTES} AND $2::uuid IS NULL`,
  reencrypt: `SELECT count(*) FROM credential_version v JOIN credential c USING (credential_id)
    WHERE c.namespace_id = $1::uuid AND v.${HOLDS_BYTES} AND ($2::uuid IS NULL OR c.credential_id = $2::uuid)`,
  'rewrap-root': `SELECT (SELECT count(*) FROM namespace_kek WHERE destroyed_at IS NULL) + (SELECT count(*) FROM system_key)
    WHERE $1::uuid IS NULL AND $2::uuid IS NULL`,
};

async function startJob(
  queries: Queries,
  { kind, namespaceId, credentialId }: KeyJobOrder,
  by: string,
  nowMs: number,
): Promise<KeyJob> {
  const jobId = uuidv7();
  // The unique index key_job_running decides; one that was just started elsewhere is waited for.
  const inserted = await queries.query<unknown[]>(
    `INSERT INTO key_job (job_id, kind, namespace_id, credential_id, state, done, damaged, total, started_by, started_at)
     VALUES ($3, $4, $1, $2, 'running', 0, 0, (${TOTALS[kind]}), $5, $6) ON CONFLICT DO NOTHING RETURNING job_id`,
    [namespaceId, credentialId, jobId, kind, by, new Date(nowMs)],
  );
  if (inserted.length === 0) throw failure('KEY_JOB_RUNNING');
  return selectJob(queries, jobId);
}
