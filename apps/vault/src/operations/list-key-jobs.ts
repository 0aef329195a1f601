import type { listKeyJobs } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { toProgress, type KeyReports } from '../domain/key-jobs.js';
import { permitOn } from './permit.js';
import { ALL_NAMESPACES } from './rewrap-keys.js';

export interface ListKeyJobsPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly keyReports: Pick<KeyReports, 'listJobs'>;
  readonly clock: Clock;
}

/** Running jobs, then the newest. @throws DENIED, STORE_UNAVAILABLE, AUDIT_UNAVAILABLE */
export function makeListKeyJobs({
  audited,
  askPolicy,
  keyReports,
  clock,
}: ListKeyJobsPorts): Handler<typeof listKeyJobs> {
  return audited<typeof listKeyJobs>('key-job.listed', async ({ limit }, call, attempt) => {
    attempt.concerns('namespace', ALL_NAMESPACES);
    permitOn({ askPolicy, call, attempt, nowMs: clock.now() }, 'key.read', namespaceResource(ALL_NAMESPACES));
    const jobs = await keyReports.listJobs(limit);
    await attempt.succeeded();
    return { jobs: jobs.map(toProgress) };
  });
}
