import { failure, type keyJob } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { toProgress, type KeyReports } from '../domain/key-jobs.js';
import { permitOn } from './permit.js';
import { ALL_NAMESPACES } from './rewrap-keys.js';

export interface KeyJobPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly keyReports: Pick<KeyReports, 'findJob'>;
  readonly clock: Clock;
}

/** How far a job has come. @throws DENIED, KEY_JOB_NOT_FOUND, STORE_UNAVAILABLE, AUDIT_UNAVAILABLE */
export function makeKeyJob({ audited, askPolicy, keyReports, clock }: KeyJobPorts): Handler<typeof keyJob> {
  return audited<typeof keyJob>('key-job.read', async ({ jobId }, call, attempt) => {
    attempt.concerns('key-job', jobId);
    const job = await keyReports.findJob(jobId);
    const resource = namespaceResource(job?.namespace ?? ALL_NAMESPACES);
    permitOn({ askPolicy, call, attempt, nowMs: clock.now() }, 'key.read', resource);
    if (job === undefined) throw failure('KEY_JOB_NOT_FOUND');
    await attempt.succeeded();
    return toProgress(job);
  });
}
