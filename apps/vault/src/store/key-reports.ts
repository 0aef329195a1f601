import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { KeyReports } from '../domain/key-jobs.js';
import { HOLDS_BYTES, selectJobs } from './key-job-rows.js';

/** The port {@link KeyReports} over Postgres. */
export const makeKeyReports = (dataSource: DataSource): KeyReports => ({
  findJob: (jobId) =>
    inStore(async () => (await selectJobs(dataSource.manager, 'WHERE j.job_id = $1', [jobId])).at(0)),
  listJobs: (limit) =>
    inStore(() =>
      selectJobs(dataSource.manager, `ORDER BY (j.state = 'running') DESC, j.started_at DESC LIMIT $1`, [
        limit,
      ]),
    ),
  listKeks: (namespace) =>
    inStore(async () => {
      const rows = await dataSource.query<KekRow[]>(KEKS, [namespace ?? null]);
      return rows.map((row) => ({
        namespace: row.namespace,
        kekId: row.kek_id,
        version: row.version,
        active: row.active,
        destroyed: row.destroyed_at !== null,
        createdAtMs: row.created_at.getTime(),
        provider: row.provider,
        providerKeyId: row.provider_key_id,
        rows: row.rows,
      }));
    }),
  readKekAges: () =>
    inStore(async () => {
      const [row] = await dataSource.query<{ oldest: Date | null; rows: number }[]>(
        `SELECT min(created_at) FILTER (WHERE active) AS oldest, (SELECT count(*)::int FROM credential_version v
           JOIN namespace_kek r USING (kek_id) WHERE NOT r.active AND v.${HOLDS_BYTES}) AS rows FROM namespace_kek`,
      );
      return { oldestActiveAtMs: row?.oldest?.getTime(), retiredRows: row?.rows ?? 0 };
    }),
  listSystemKeys: () =>
    inStore(() =>
      dataSource.query(
        'SELECT purpose, provider, provider_key_id AS "providerKeyId" FROM system_key ORDER BY purpose',
      ),
    ),
});

interface KekRow {
  readonly namespace: string;
  readonly kek_id: string;
  readonly version: number;
  readonly active: boolean;
  readonly destroyed_at: Date | null;
  readonly created_at: Date;
  readonly provider: string;
  readonly provider_key_id: string;
  readonly rows: number;
}

const KEKS = `
  SELECT n.name AS namespace, k.kek_id, k.version, k.active, k.destroyed_at, k.created_at, k.provider, k.provider_key_id,
    (SELECT count(*)::int FROM credential_version v WHERE v.kek_id = k.kek_id AND v.${HOLDS_BYTES}) AS rows
  FROM namespace_kek k JOIN namespace n USING (namespace_id)
  WHERE $1::text IS NULL OR n.name = $1 ORDER BY n.name, k.version`;
