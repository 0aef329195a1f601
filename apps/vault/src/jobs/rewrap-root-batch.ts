import { failure } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import { inStore, transact } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { KeyJob } from '../domain/key-jobs.js';
import type { Kms } from '../kms/kms.js';
import { advanceJob } from '../store/key-job-rows.js';
import { listSystemKeys, nextKeks, writeRootWrapped, type RootWrapped } from '../store/root-keys.js';
import { claimJob, finishJob, type BatchOutcome, type JobRecorder } from './job-steps.js';

export interface RewrapRootPorts {
  readonly dataSource: DataSource;
  /** As it is configured now: what it does not unwrap any more cannot be moved. */
  readonly kms: Kms;
  readonly recorder: JobRecorder;
}

// Each key takes three calls of the KMS.
const BATCH_KEYS = 8;

interface Rewrapped {
  readonly key: RootWrapped;
  readonly wrapped: Uint8Array;
}

/**
 * The next KEKs, and at the end the system keys, under the KMS as it is configured now. The KMS is asked before the transaction; what it
 * wrapped was unwrapped again and compared (constant time), and is written only where the row is still the one that was read.
 * @throws VAULT_LOCKED, KMS_UNAVAILABLE, STORE_UNAVAILABLE: then nothing was changed, and it is worth trying again.
 */
export async function rewrapRootBatch(ports: RewrapRootPorts, seen: KeyJob): Promise<BatchOutcome> {
  const { dataSource, kms } = ports;
  const keks = await inStore(() => nextKeks(dataSource.manager, seen.cursor?.id ?? null, BATCH_KEYS));
  const isLast = keks.length < BATCH_KEYS;
  const keys = isLast ? [...keks, ...(await inStore(() => listSystemKeys(dataSource.manager)))] : keks;
  const rewrapped: Rewrapped[] = [];
  for (const key of keys) rewrapped.push(...(await rewrapOne(kms, key)));

  return transact(dataSource, async (manager) => {
    const job = await claimJob(manager, seen.jobId);
    // Somebody else has done these meanwhile.
    if (job === undefined || job.cursor?.id !== seen.cursor?.id) return 'not-ours';
    for (const { key, wrapped } of rewrapped)
      await writeRootWrapped(manager, key, { wrapped, provider: kms.provider, keyId: kms.keyId });
    const last = keks.at(-1);
    const advanced = await advanceJob(manager, job, {
      cursor: last === undefined ? job.cursor : { id: last.id, version: 0 },
      done: job.done + keys.length,
      damaged: job.damaged + keys.length - rewrapped.length,
    });
    if (isLast) await finishJob(ports, manager, advanced);
    return isLast ? 'ended' : 'more';
  });
}

/** @returns nothing for a key that does not unwrap. */
async function rewrapOne(kms: Kms, key: RootWrapped): Promise<Rewrapped[]> {
  using plain = await unwrapOrNothing(kms, key);
  if (plain === undefined) return [];
  const wrapped = await kms.wrapKey(plain, key.context);
  using read = await unwrapOrNothing(kms, { ...key, wrapped });
  if (read?.equals(plain) === true) return [{ key, wrapped }];
  throw failure('KMS_UNAVAILABLE', { details: { reason: 'what the KMS wraps does not unwrap as it was' } });
}

async function unwrapOrNothing(kms: Kms, { wrapped, context }: RootWrapped) {
  try {
    return await kms.unwrapKey(wrapped, context);
  } catch (error) {
    if (KeymeshError.is(error) && error.code === 'DECRYPTION_FAILED') return undefined;
    throw error;
  }
}
