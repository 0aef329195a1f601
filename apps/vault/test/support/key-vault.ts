import { makeAskPolicy } from '@keymesh/service-kit';
import { systemClock } from '@keymesh/kernel';
import { makeAudited } from '../../src/domain/audit-trail.js';
import { failJob, type BatchOutcome } from '../../src/jobs/job-steps.js';
import { rekeyBatch } from '../../src/jobs/rekey-batch.js';
import { rewrapRootBatch } from '../../src/jobs/rewrap-root-batch.js';
import { wrapNewKek } from '../../src/kms/keyring.js';
import { makeCancelKeyJob } from '../../src/operations/cancel-key-job.js';
import { makeDestroyKey } from '../../src/operations/destroy-key.js';
import { makeKeyJob } from '../../src/operations/key-job.js';
import { makeKeyStatus } from '../../src/operations/key-status.js';
import { makeReencryptNamespace } from '../../src/operations/reencrypt-namespace.js';
import { makeRewrapKeys } from '../../src/operations/rewrap-keys.js';
import { makeRotateKey } from '../../src/operations/rotate-key.js';
import { endRunningJob, listRunningJobs } from '../../src/store/key-job-rows.js';
import { makeKeyMutations } from '../../src/store/key-mutations.js';
import { makeKeyReports } from '../../src/store/key-reports.js';
import { makeFakePolicy } from '../fakes.js';
import type { PostgresVault } from './postgres-vault.js';

/** Key operations over the rows of a vault without the bus; a spec runs the batches of jobs itself, one at a time. */
export function openKeyVault(vault: PostgresVault, batchRows = 3) {
  const { dataSource, seal, keyring, kmsPort: kms, index } = vault;
  const clock = systemClock;
  const recorder = { instance: 'spec', clock };
  const ports = {
    audited: makeAudited({ instance: 'spec', clock, recordDurably: () => Promise.resolve() }),
    askPolicy: makeAskPolicy(makeFakePolicy().policy, { service: 'vault' }),
    keyMutations: makeKeyMutations({
      ...{ dataSource, clock, seal },
      lockRevision: () => 0,
      afterCommit: () => undefined,
    }),
    keyReports: makeKeyReports(dataSource),
    onJobs: () => undefined,
    wrapNewKek: (place: { readonly namespaceId: string; readonly version: number }) => wrapNewKek(kms, place),
    ...{ kms, clock, index },
  };
  const runBatch = (job: Awaited<ReturnType<typeof listRunningJobs>>[number]): Promise<BatchOutcome> =>
    job.kind === 'rewrap-root'
      ? rewrapRootBatch({ dataSource, kms, recorder }, job)
      : rekeyBatch({ dataSource, seal, keyring, recorder, batchRows }, job);
  const running = () => listRunningJobs(dataSource.manager);
  return {
    rotate: makeRotateKey(ports),
    rewrap: makeRewrapKeys(ports),
    reencrypt: makeReencryptNamespace(ports),
    job: makeKeyJob(ports),
    cancel: makeCancelKeyJob(ports),
    status: makeKeyStatus(ports),
    destroy: makeDestroyKey(ports),
    running,
    runBatch,
    fail: (job: Awaited<ReturnType<typeof running>>[number], error: string) =>
      endRunningJob(dataSource, job, (manager, locked) => failJob(recorder, manager, locked, error)),
    /** One batch of each running job. */
    async step(): Promise<void> {
      for (const job of await running()) await runBatch(job);
    },
    /** All running jobs to their end. */
    async finish(): Promise<void> {
      for (let left = await running(); left.length > 0; left = await running())
        for (const job of left) await runBatch(job);
    },
  };
}
export type KeyVault = ReturnType<typeof openKeyVault>;
