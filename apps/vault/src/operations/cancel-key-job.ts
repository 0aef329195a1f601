import type { cancelKeyJob } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import { announceRecord } from '../domain/announcements.js';
import type { Audited } from '../domain/audit-trail.js';
import { toProgress, type KeyMutations, type KeyReports } from '../domain/key-jobs.js';
import { permitOn } from './permit.js';
import { ALL_NAMESPACES } from './rewrap-keys.js';

export interface CancelKeyJobPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly keyReports: Pick<KeyReports, 'findJob'>;
  readonly keyMutations: KeyMutations;
  readonly clock: Clock;
}

/** Ends a job after the batch at hand; its rows are all whole, some as before, some as they should be. @throws DENIED, KEY_JOB_NOT_FOUND, STORE_UNAVAILABLE */
export function makeCancelKeyJob(ports: CancelKeyJobPorts): Handler<typeof cancelKeyJob> {
  const { audited, askPolicy, keyReports, keyMutations, clock } = ports;
  return audited<typeof cancelKeyJob>('key-job.cancelled', async ({ jobId }, call, attempt) => {
    attempt.concerns('key-job', jobId);
    const namespace = (await keyReports.findJob(jobId))?.namespace ?? ALL_NAMESPACES;
    permitOn({ askPolicy, call, attempt, nowMs: clock.now() }, 'key.rotate', namespaceResource(namespace));
    return keyMutations.run(call, async (transaction) => {
      const { job, cancelled } = await transaction.cancelJob(jobId);
      attempt.note({ cancelled, rows: job.done });
      await announceRecord(transaction, attempt.success());
      return toProgress(job);
    });
  });
}
