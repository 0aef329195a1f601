import { failure, type KeyJobKind, type KeyJobState } from '@keymesh/contracts';
import { inStore, transact } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';
import type { KeyJob } from '../domain/key-jobs.js';

/** What can be asked of the driver, in a transaction or out of it. */
export type Queries = Pick<EntityManager, 'query'>;

/** A version that was not destroyed: it has a data key to wrap. */
export const HOLDS_BYTES = 'destroyed_at IS NULL';

interface Raw {
  readonly job_id: string;
  readonly kind: KeyJobKind;
  readonly namespace_id: string | null;
  readonly namespace: string | null;
  readonly credential_id: string | null;
  readonly state: KeyJobState;
  readonly cursor_id: string | null;
  readonly cursor_version: number | null;
  readonly done: number;
  readonly total: number;
  readonly damaged: number;
  readonly started_by: string;
  readonly started_at: Date;
  readonly finished_at: Date | null;
  readonly error: string | null;
}

const JOBS = 'SELECT j.*, n.name AS namespace FROM key_job j LEFT JOIN namespace n USING (namespace_id)';

/** Jobs by a condition, with an order and a lock if wanted. */
export async function selectJobs(
  queries: Queries,
  rest: string,
  parameters: readonly unknown[] = [],
): Promise<KeyJob[]> {
  const rows = await queries.query<Raw[]>(`${JOBS} ${rest}`, [...parameters]);
  return rows.map(toJob);
}

/** @throws KEY_JOB_NOT_FOUND */
export async function selectJob(queries: Queries, jobId: string, lock = ''): Promise<KeyJob> {
  const [job] = await selectJobs(queries, `WHERE j.job_id = $1 ${lock}`, [jobId]);
  if (job === undefined) throw failure('KEY_JOB_NOT_FOUND');
  return job;
}

const toJob = (row: Raw): KeyJob => ({
  jobId: row.job_id,
  kind: row.kind,
  namespaceId: row.namespace_id,
  namespace: row.namespace,
  credentialId: row.credential_id,
  state: row.state,
  cursor: row.cursor_id === null ? null : { id: row.cursor_id, version: row.cursor_version ?? 0 },
  done: row.done,
  total: row.total,
  damaged: row.damaged,
  startedBy: row.started_by,
  startedAtMs: row.started_at.getTime(),
  finishedAtMs: row.finished_at?.getTime() ?? null,
  error: row.error,
});

/** @throws STORE_UNAVAILABLE */
export const listRunningJobs = (queries: Queries): Promise<KeyJob[]> =>
  inStore(() => selectJobs(queries, `WHERE j.state = 'running' ORDER BY j.started_at`));

/** Says beside a running job what it is waiting for. Never rejects: it is only told to people. */
export async function noteWaiting(queries: Queries, { jobId }: KeyJob, error: string): Promise<void> {
  await queries
    .query(`UPDATE key_job SET error = $2 WHERE job_id = $1 AND state = 'running'`, [jobId, error])
    .catch(() => undefined);
}

/** Does something to a job, in a transaction of its own, unless it has ended meanwhile. @throws STORE_UNAVAILABLE */
export const endRunningJob = (
  dataSource: DataSource,
  { jobId }: KeyJob,
  end: (manager: EntityManager, job: KeyJob) => Promise<void>,
): Promise<void> =>
  transact(dataSource, async (manager) => {
    const job = await selectJob(manager, jobId, 'FOR UPDATE OF j');
    if (job.state === 'running') await end(manager, job);
  });

/** What a batch has done to its job. `cursor` null: from the beginning once more. */
export interface JobStep {
  readonly cursor: KeyJob['cursor'];
  readonly done: number;
  readonly damaged: number;
}

/** Moves a job on, within the transaction that holds its row. @returns the job as it now stands. */
export async function advanceJob(queries: Queries, job: KeyJob, step: JobStep): Promise<KeyJob> {
  await queries.query(
    'UPDATE key_job SET cursor_id = $2, cursor_version = $3, done = $4, damaged = $5, error = NULL WHERE job_id = $1',
    [job.jobId, step.cursor?.id ?? null, step.cursor?.version ?? null, step.done, step.damaged],
  );
  return { ...job, ...step, error: null };
}

/** Ends a job, within the transaction that holds its row. @returns the job as it now stands. */
export async function endJob(
  queries: Queries,
  job: KeyJob,
  state: Exclude<KeyJobState, 'running'>,
  { error, nowMs }: { readonly error: string | null; readonly nowMs: number },
): Promise<KeyJob> {
  await queries.query(
    'UPDATE key_job SET state = $2, error = $3, finished_at = $4, total = greatest(total, done) WHERE job_id = $1',
    [job.jobId, state, error, new Date(nowMs)],
  );
  return { ...job, state, error, finishedAtMs: nowMs };
}
