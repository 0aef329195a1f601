import { setImmediate } from 'node:timers/promises';
import { KeymeshError } from '@keymesh/kernel';
import { inStore, transact } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';
import type { CredentialVersion } from '../domain/credential.js';
import type { KeyJob } from '../domain/key-jobs.js';
import type { RowSeal } from '../domain/row-mac.js';
import type { Keyring, OpenKek } from '../kms/keyring.js';
import { reencryptSealed, rewrapSealed, type Rekey } from '../kms/rekey.js';
import { advanceJob } from '../store/key-job-rows.js';
import {
  countNotUnder,
  kekIdsOf,
  lockVersions,
  nextVersions,
  writeVersions,
  type LockedVersion,
  type RekeyedVersion,
} from '../store/rekey-rows.js';
import { claimJob, finishJob, type BatchOutcome, type JobRecorder } from './job-steps.js';

export interface RekeyBatchPorts {
  readonly dataSource: DataSource;
  readonly seal: RowSeal;
  readonly keyring: Pick<Keyring, 'activeKek' | 'kek'>;
  readonly recorder: JobRecorder;
  /** Rows in one transaction: they are locked for as long as it takes, some ten milliseconds. */
  readonly batchRows: number;
}

const REKEY = { rewrap: rewrapSealed, reencrypt: reencryptSealed };
/** A row costs about 200 µs of computation: let requests in between. */
const ROWS_IN_A_ROW = 8;

/**
 * The next rows of a rewrap or reencrypt, in one transaction with the job's cursor: lock, open, seal, read back, write. A row that does
 * not open is counted and left as it is.
 * @throws VAULT_LOCKED, KMS_UNAVAILABLE, STORE_UNAVAILABLE: then nothing was changed, and it is worth trying again.
 */
export async function rekeyBatch(ports: RekeyBatchPorts, seen: KeyJob): Promise<BatchOutcome> {
  // Keys are fetched before the transaction, so that no row is locked while a KMS is waited for.
  const to = await ports.keyring.activeKek(seen.namespace ?? '');
  await warmUp(ports, seen, to);
  return transact(ports.dataSource, async (manager) => {
    const job = await claimJob(manager, seen.jobId);
    if (job === undefined) return 'not-ours';
    const keys = await nextVersions(manager, job, to.kekId, ports.batchRows);
    const locked = await lockVersions(manager, ports.seal, keys);
    const { rekeyed, damaged } = await rekeyAll(ports, job, locked, to);
    await writeVersions(manager, ports.seal, rekeyed);
    const last = keys.at(-1);
    const advanced = await advanceJob(manager, job, {
      cursor: last ?? job.cursor,
      done: job.done + locked.length,
      damaged: job.damaged + damaged,
    });
    return keys.length === ports.batchRows ? 'more' : endOfRows(ports, manager, advanced);
  });
}

/** Unwraps the KEKs of the rows to come, into the keyring. One that is damaged shows again with its rows. */
async function warmUp({ dataSource, keyring, batchRows }: RekeyBatchPorts, job: KeyJob, to: OpenKek) {
  const kekIds = await inStore(async () =>
    kekIdsOf(dataSource.manager, await nextVersions(dataSource.manager, job, to.kekId, batchRows)),
  );
  await Promise.all(kekIds.map((kekId) => keyring.kek(kekId).catch(throwUnlessDamaged)));
}

async function rekeyAll(
  { keyring }: RekeyBatchPorts,
  { kind }: KeyJob,
  locked: readonly LockedVersion[],
  to: OpenKek,
): Promise<{ rekeyed: RekeyedVersion[]; damaged: number }> {
  const rekeyed: RekeyedVersion[] = [];
  for (const [at, row] of locked.entries()) {
    if (at > 0 && at % ROWS_IN_A_ROW === 0) await setImmediate();
    if ('damaged' in row) continue;
    const { credential, version } = row;
    const after = await keyring
      .kek(version.kekId)
      .then((from) =>
        rekeyOne(
          kind,
          { from, to, sealed: version, binding: { ...version, namespaceId: credential.namespaceId } },
          version,
        ),
      )
      .catch(throwUnlessDamaged);
    if (after !== undefined) rekeyed.push({ before: version, after });
  }
  return { rekeyed, damaged: locked.length - rekeyed.length };
}

function rekeyOne(kind: KeyJob['kind'], rekey: Rekey, before: CredentialVersion): CredentialVersion {
  if (kind === 'rewrap-root') throw new Error('rewrap-root is not about versions');
  const { dekId, kekId, kekVersion, wrappedDek, ciphertext } = REKEY[kind](rekey);
  return { ...before, dekId, kekId, kekVersion, wrappedDek, ciphertext };
}

function throwUnlessDamaged(error: unknown): undefined {
  if (KeymeshError.is(error) && error.code === 'CREDENTIAL_DAMAGED') return undefined;
  throw error;
}

/**
 * Ends the job, unless rows came under an older KEK behind its cursor (a store that had fetched its key before a rotation): then once more.
 */
async function endOfRows(ports: RekeyBatchPorts, manager: EntityManager, job: KeyJob): Promise<BatchOutcome> {
  if (job.kind === 'rewrap' && (await rowsLeft(manager, job)) > job.damaged) {
    await advanceJob(manager, job, { cursor: null, done: job.done - job.damaged, damaged: 0 });
    return 'more';
  }
  await finishJob(ports, manager, job);
  return 'ended';
}

async function rowsLeft(manager: EntityManager, { namespaceId }: KeyJob): Promise<number> {
  const [active] = await manager.query<{ kek_id: string }[]>(
    'SELECT kek_id FROM namespace_kek WHERE namespace_id = $1 AND active',
    [namespaceId],
  );
  return active === undefined ? 0 : countNotUnder(manager, namespaceId ?? '', active.kek_id);
}
