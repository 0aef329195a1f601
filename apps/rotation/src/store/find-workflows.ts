import type { RotationSummary } from '@keymesh/contracts';
import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { RecentFailures } from '../domain/schedule.js';
import { summaryOf, type WorkflowRow } from './workflow-row.js';

/** One rotation by its id. @throws STORE_UNAVAILABLE */
export const findRotation = (
  dataSource: DataSource,
  rotationId: string,
): Promise<RotationSummary | undefined> =>
  inStore(async () => {
    const [row] = await dataSource.query<WorkflowRow[]>('SELECT * FROM workflow WHERE rotation_id = $1', [
      rotationId,
    ]);
    return row === undefined ? undefined : summaryOf(row);
  });

/** Newest first; of one credential, or of all. */
export const findRotations = (
  dataSource: DataSource,
  { credentialId, limit }: { credentialId?: string | undefined; limit: number },
): Promise<RotationSummary[]> =>
  inStore(async () => {
    const rows = await dataSource.query<WorkflowRow[]>(
      `SELECT * FROM workflow WHERE $1::uuid IS NULL OR credential_id = $1
       ORDER BY created_at DESC, rotation_id DESC LIMIT $2`,
      [credentialId ?? null, limit],
    );
    return rows.map(summaryOf);
  });

/** What the scheduler must know of a credential besides its metadata. */
export interface RotationPast {
  readonly isOpen: boolean;
  /** Failed rotations of the version that is still current. */
  readonly failures: RecentFailures;
}

const PAST = `
  SELECT credential_id, bool_or(state NOT IN ('done', 'failed')) AS is_open,
    (count(*) FILTER (WHERE state = 'failed' AND from_version = known.version))::int AS failures,
    max(updated_at) FILTER (WHERE state = 'failed' AND from_version = known.version) AS last_failure
  FROM workflow JOIN unnest($1::uuid[], $2::int[]) AS known(id, version) ON credential_id = known.id
  GROUP BY credential_id`;

/** The past of many credentials in one query, by credential id; one without rotations is absent. */
export const findPast = (
  dataSource: DataSource,
  credentials: readonly { credentialId: string; version: number }[],
): Promise<ReadonlyMap<string, RotationPast>> =>
  inStore(async () => {
    const rows = await dataSource.query<
      { credential_id: string; is_open: boolean; failures: number; last_failure: Date | null }[]
    >(PAST, [credentials.map(({ credentialId }) => credentialId), credentials.map(({ version }) => version)]);
    return new Map(
      rows.map((row) => [
        row.credential_id,
        {
          isOpen: row.is_open,
          failures: { count: row.failures, lastAt: row.last_failure?.getTime() ?? 0 },
        },
      ]),
    );
  });
