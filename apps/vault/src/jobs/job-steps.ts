import { subjects, type AuditRecord, type KeyJobKind } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import { encodeLeaf } from '@keymesh/mesh';
import { insertOutbox } from '@keymesh/postgres';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { KeyJob } from '../domain/key-jobs.js';
import { endJob, selectJobs } from '../store/key-job-rows.js';

/** `not-ours`: another instance works on it just now, or it has ended. */
export type BatchOutcome = 'more' | 'ended' | 'not-ours';

/** What the records of ended jobs need to know. */
export interface JobRecorder {
  readonly instance: string;
  readonly clock: Clock;
}

/**
 * Takes a running job for one transaction. The row's lock is the claim: it ends with the transaction, or with the process that holds it, so
 * nobody has to find out whether an owner still lives.
 */
export async function claimJob(manager: EntityManager, jobId: string): Promise<KeyJob | undefined> {
  const [job] = await selectJobs(
    manager,
    `WHERE j.job_id = $1 AND j.state = 'running' FOR UPDATE OF j SKIP LOCKED`,
    [jobId],
  );
  return job;
}

const ENDED_EVENT: Readonly<Record<KeyJobKind, string>> = {
  rewrap: 'namespace-key.rewrapped',
  reencrypt: 'namespace-key.reencrypted',
  'rewrap-root': 'root-key.rewrapped',
};

/** Ends a job whose rows are all done, with its audit record in the same transaction. */
export async function finishJob(
  { recorder }: { readonly recorder: JobRecorder },
  manager: EntityManager,
  job: KeyJob,
): Promise<void> {
  const error = job.damaged > 0 ? 'CREDENTIAL_DAMAGED' : null;
  const ended = await endJob(manager, job, 'completed', { error, nowMs: recorder.clock.now() });
  await announceEnd(recorder, manager, ended);
}

/** Ends a job that met something no repetition mends. */
export async function failJob(
  recorder: JobRecorder,
  manager: EntityManager,
  job: KeyJob,
  error: string,
): Promise<void> {
  const ended = await endJob(manager, job, 'failed', { error, nowMs: recorder.clock.now() });
  await announceEnd(recorder, manager, ended);
}

async function announceEnd(
  { instance, clock }: JobRecorder,
  manager: EntityManager,
  job: KeyJob,
): Promise<void> {
  const record: AuditRecord = {
    v: 1,
    id: uuidv7(),
    time: new Date(clock.now()).toISOString(),
    type: ENDED_EVENT[job.kind],
    service: 'vault',
    instance,
    outcome: job.state === 'completed' ? 'success' : 'failure',
    ...(job.error === null ? {} : { code: job.error }),
    principal: job.startedBy,
    resource: { kind: 'namespace', ...(job.namespaceId === null ? {} : { id: job.namespaceId }) },
    facts: {
      jobId: job.jobId,
      rows: job.done,
      damaged: job.damaged,
      ...(job.credentialId === null ? {} : { credentialId: job.credentialId }),
    },
  };
  await insertOutbox(manager, {
    kind: 'journal',
    id: record.id,
    subject: subjects.journal('vault'),
    payload: Buffer.from(encodeLeaf(record)),
  });
}
