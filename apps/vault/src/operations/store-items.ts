import { failure, toPublicError, type StoreItemResult } from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import { announceRecord } from '../domain/announcements.js';
import { failedItem } from '../domain/batch.js';
import type { Credential } from '../domain/credential.js';
import type { MutationTransaction } from '../domain/mutations.js';
import { disposeValues } from '../domain/parts.js';
import {
  EXISTS,
  existsAlready,
  expectOne,
  isOwn,
  prepareAll,
  type Entry,
  type ItemsToStore,
  type StoreItemsPorts,
} from './prepare-items.js';
import { storedReply, writeStore } from './write-store.js';

const WITHHELD: StoreItemResult = { outcome: 'skipped', reason: 'atomic' };

/**
 * Stores items as that many single stores would, in one transaction with their records: of what is stored, and of what is refused.
 * @returns a result for each item, in order. `committed` false: nothing was stored, and the record of the whole is still to be made.
 * @throws STORE_UNAVAILABLE and whatever else is nobody's own fault: then nothing is stored.
 */
export async function storeItems(
  ports: StoreItemsPorts,
  batch: ItemsToStore,
  call: Call,
): Promise<{ readonly results: StoreItemResult[]; readonly committed: boolean }> {
  const entries = await prepareAll(ports, batch, call);
  try {
    if (batch.dryRun)
      return await settle(
        entries,
        entries.map((entry) => expectOne(entry, batch)),
        batch,
      );
    if (batch.atomic && entries.some(({ failed }) => failed !== undefined))
      return await settle(
        entries,
        entries.map(({ failed }) => (failed === undefined ? WITHHELD : failedItem(failed))),
        batch,
      );
    return await writeAll(ports, batch, entries, call);
  } finally {
    for (const { prepared } of entries) disposeValues(prepared?.generated ?? {});
  }
}

/** Nothing is stored: what failed is recorded all the same. */
async function settle(
  entries: readonly Entry[],
  results: StoreItemResult[],
  { dryRun }: ItemsToStore,
): Promise<{ results: StoreItemResult[]; committed: false }> {
  await Promise.all(
    entries.map(async ({ attempt }, at) => {
      const result = results[at];
      if (result?.outcome !== 'failed') return;
      if (dryRun) attempt.note({ dryRun });
      await attempt.failed(result.error.code);
    }),
  );
  return { results, committed: false };
}

async function writeAll(
  ports: StoreItemsPorts,
  batch: ItemsToStore,
  entries: readonly Entry[],
  call: Call,
): Promise<{ results: StoreItemResult[]; committed: boolean }> {
  let results: StoreItemResult[] = [];
  // Told to nobody: it ends the transaction of an atomic batch of which an item failed.
  const undone = failure('VERSION_CONFLICT');
  try {
    const reply = await ports.mutations.run(call, async (transaction) => {
      results = [];
      const changed: Credential[] = [];
      await lockInOrder(transaction, entries);
      for (const entry of entries) {
        const { result, stored } = await writeOne(ports, transaction, batch, entry, call);
        results.push(result);
        if (stored !== undefined) changed.push(stored);
      }
      if (batch.atomic && results.some(({ outcome }) => outcome === 'failed')) throw undone;
      if (batch.conclude !== undefined) await announceRecord(transaction, batch.conclude(results));
      return { reply: { results }, changed };
    });
    return { results: reply.results, committed: true };
  } catch (error) {
    if (error !== undone) throw error;
    return await settle(
      entries,
      results.map((result) => (result.outcome === 'stored' ? WITHHELD : result)),
      batch,
    );
  }
}

/** By name, so that two batches never wait for each other. */
async function lockInOrder(transaction: MutationTransaction, entries: readonly Entry[]): Promise<void> {
  const names = entries.flatMap(({ name, failed }) =>
    name === undefined || failed !== undefined ? [] : [name],
  );
  for (const name of names.sort()) {
    await transaction.lockByName(name).catch((error: unknown) => {
      if (!isOwn(error)) throw error; // a damaged row: told of its item
    });
  }
}

async function writeOne(
  ports: StoreItemsPorts,
  transaction: MutationTransaction,
  { skipExisting }: ItemsToStore,
  { attempt, prepared, namespace, failed }: Entry,
  call: Call,
): Promise<{ readonly result: StoreItemResult; readonly stored?: Credential }> {
  try {
    if (failed !== undefined || prepared === undefined || namespace === undefined)
      throw failed ?? failure('INTERNAL');
    const written = await transaction.part(() =>
      writeStore(ports, transaction, { prepared, namespace, call, attempt }),
    );
    return { stored: written.stored, result: { outcome: 'stored', ...storedReply(written) } };
  } catch (error) {
    if (!isOwn(error)) throw error;
    if (skipExisting === true && existsAlready(error)) return { result: EXISTS };
    await announceRecord(transaction, attempt.failure(toPublicError(error).code));
    return { result: failedItem(error) };
  }
}
