import { MINUTE, SECOND } from '@keymesh/kernel';
import { inStore } from '@keymesh/postgres';
import type { KeyReports } from '../domain/key-jobs.js';
import { failJob } from '../jobs/job-steps.js';
import { makeKeyJobWorker, type KeyJobWorker } from '../jobs/key-job-worker.js';
import { rekeyBatch } from '../jobs/rekey-batch.js';
import { rewrapRootBatch } from '../jobs/rewrap-root-batch.js';
import { wrapNewKek } from '../kms/keyring.js';
import { makeCancelKeyJob } from '../operations/cancel-key-job.js';
import { makeDestroyKey } from '../operations/destroy-key.js';
import { makeKeyJob } from '../operations/key-job.js';
import { makeKeyStatus } from '../operations/key-status.js';
import { makeListKeyJobs } from '../operations/list-key-jobs.js';
import { makeLockVault } from '../operations/lock-vault.js';
import { makeReencryptNamespace } from '../operations/reencrypt-namespace.js';
import { makeRewrapKeys } from '../operations/rewrap-keys.js';
import { makeRotateKey } from '../operations/rotate-key.js';
import { makeUnlockVault } from '../operations/unlock-vault.js';
import { makeVaultStatus } from '../operations/vault-status.js';
import { endRunningJob, listRunningJobs, noteWaiting } from '../store/key-job-rows.js';
import { makeKeyMutations } from '../store/key-mutations.js';
import { makeKeyReports } from '../store/key-reports.js';
import { makeReadLock } from '../store/lock-state.js';
import { countOtherWraps } from '../store/root-keys.js';
import { openSystemKey } from '../store/system-keys.js';
import { makeLockWatch } from '../transport/lock-watch.js';
import type { KeyOperations } from '../transport/operations.js';
import type { VaultPorts } from './ports.js';

/** Rows of a key job in one transaction. */
const BATCH_ROWS = 64;
const MEASURE_KEKS_EVERY_MS = MINUTE;

/** Keys, the jobs over their rows, and the lock. Reads the lock before anything is served: until then the vault is locked. */
export async function keyOperations(ports: VaultPorts): Promise<KeyOperations> {
  const { kit, serve, kms, lock, sync, seal, clock } = ports;
  const { dataSource } = kit;
  const watch = makeLockWatch({ lock, readLock: makeReadLock(dataSource, seal), logger: kit.logger });
  sync.onLock(watch.hear);
  await watch.start();
  kit.onShutdown('lock watch', watch.stop);
  kit.health.register('lock', () => ({
    // Locked is what somebody wanted, but for a row that cannot be believed.
    status: lock.reason() === 'unreadable' ? 'degraded' : 'ok',
    facts: { locked: lock.reason() !== undefined },
  }));

  await warnOfOtherWraps(ports);
  const worker = startWorker(ports);
  const keyReports = makeKeyReports(dataSource);
  measureKeks(ports, keyReports);
  const keyMutations = makeKeyMutations({
    dataSource,
    clock,
    seal,
    lockRevision: () => lock.state()?.revision ?? 0,
    afterCommit: ports.pokeOutbox,
  });
  const forKeys = {
    ...ports,
    keyMutations,
    keyReports,
    onJobs: worker.poke,
    instanceName: sync.name,
    otherInstances: sync.present,
    hearLock: watch.hear,
    tellLock: sync.tellLock,
    async probeKms() {
      try {
        (await openSystemKey(dataSource, kms, 'integrity')).dispose();
      } catch (error) {
        if (lock.reason() !== undefined) kms.forget();
        throw error;
      }
    },
    wrapNewKek(place: { readonly namespaceId: string; readonly version: number }) {
      lock.requireUnlocked();
      return wrapNewKek(kms, place);
    },
  };
  return {
    rotateKey: serve(makeRotateKey(forKeys)),
    rewrapKeys: serve(makeRewrapKeys(forKeys)),
    reencryptNamespace: serve(makeReencryptNamespace(forKeys)),
    keyJob: serve(makeKeyJob(forKeys)),
    listKeyJobs: serve(makeListKeyJobs(forKeys)),
    cancelKeyJob: serve(makeCancelKeyJob(forKeys)),
    keyStatus: serve(makeKeyStatus(forKeys)),
    destroyKey: serve(makeDestroyKey(forKeys)),
    lockVault: serve(makeLockVault(forKeys)),
    unlockVault: serve(makeUnlockVault(forKeys)),
    vaultStatus: serve(makeVaultStatus(forKeys)),
  };
}

/** Not at each scrape: it counts rows. */
function measureKeks({ kit, metrics, clock }: VaultPorts, keyReports: Pick<KeyReports, 'readKekAges'>): void {
  const measure = async (): Promise<void> => {
    const { oldestActiveAtMs, retiredRows } = await keyReports.readKekAges();
    metrics.kekAge.set(oldestActiveAtMs === undefined ? 0 : (clock.now() - oldestActiveAtMs) / SECOND);
    metrics.retiredKekRows.set(retiredRows);
  };
  const quietly = () => void measure().catch(() => kit.logger.debug('the age of keys is measured later'));
  quietly();
  const timer = setInterval(quietly, MEASURE_KEKS_EVERY_MS);
  timer.unref();
  kit.onShutdown('age of keys', () => clearInterval(timer));
}

function startWorker({ kit, kms, lock, keyring, seal, metrics, pokeOutbox }: VaultPorts): KeyJobWorker {
  const { dataSource, clock, instance, logger } = kit;
  const recorder = { instance, clock };
  const rekey = { dataSource, seal, keyring, recorder, batchRows: BATCH_ROWS };
  const worker = makeKeyJobWorker({
    listRunning: () => listRunningJobs(dataSource.manager),
    runBatch(job) {
      lock.requireUnlocked();
      return job.kind === 'rewrap-root'
        ? rewrapRootBatch({ dataSource, kms, recorder }, job)
        : rekeyBatch(rekey, job);
    },
    fail: (job, error) =>
      endRunningJob(dataSource, job, (manager, locked) => failJob(recorder, manager, locked, error)),
    noteWaiting: (job, error) => noteWaiting(dataSource.manager, job, error),
    onBatch(job, outcome, durationMs) {
      metrics.keyJobBatches.inc({ kind: job.kind, outcome });
      if (outcome !== 'ended') return;
      pokeOutbox();
      logger.info({ jobId: job.jobId, kind: job.kind, durationMs }, 'a key job has ended');
    },
    onError: (job, code) => logger.warn({ jobId: job?.jobId, code }, 'a key job waits, or has failed'),
  });
  worker.start();
  kit.onShutdown('key jobs', () => worker.stop());
  return worker;
}

/** A KMS that was added, recovery above all, opens nothing that was wrapped before: somebody should know. */
async function warnOfOtherWraps({ kit, kms }: VaultPorts): Promise<void> {
  const keys = await inStore(() => countOtherWraps(kit.dataSource.manager, kms.isCurrent));
  if (keys > 0)
    kit.logger.warn(
      { keys },
      'keys are not wrapped as KEYMESH_KMS says now: run `keymesh key rewrap --root`',
    );
}
