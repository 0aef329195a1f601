import {
  ERROR_CATALOGUE,
  failure,
  isErrorCode,
  parseMessage,
  storeCredential,
  toPublicError,
  type StoreItem,
  type StoreItemResult,
} from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import { announceRecord } from '../domain/announcements.js';
import type { BeginAttempt, OwnAttempt, Written } from '../domain/audit-trail.js';
import { failedItem } from '../domain/batch.js';
import type { Credential } from '../domain/credential.js';
import { checkExpectation } from '../domain/draft.js';
import type { Mutations, MutationTransaction } from '../domain/mutations.js';
import { canonicalName, namespaceOf } from '../domain/name.js';
import { disposeValues } from '../domain/parts.js';
import type { MetadataIndex, OpenNamespace, ValueVault } from '../domain/ports.js';
import { credentialTypeOf } from '../domain/types/index.js';
import {
  permitStore,
  prepareStore,
  storedReply,
  writeStore,
  type PreparedStore,
  type StorePorts,
} from './store-steps.js';

export interface StoreItemsPorts extends StorePorts {
  readonly beginAttempt: BeginAttempt;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly values: Pick<ValueVault, 'openNamespace'>;
  readonly mutations: Mutations;
}

export interface ItemsToStore {
  readonly items: readonly StoreItem[];
  readonly atomic: boolean;
  readonly dryRun: boolean;
  /** What is there already is left alone, rather than a failure. */
  readonly skipExisting?: boolean;
  /** A question before the store's own. @throws DENIED */
  readonly permitItem?: (name: string, attempt: OwnAttempt) => void;
  /** A record of the whole, for the transaction. */
  readonly conclude?: (results: readonly StoreItemResult[]) => Written;
}

/** One item on its way: `failed` as soon as something of it does. */
interface Entry {
  readonly attempt: OwnAttempt;
  readonly name?: string;
  readonly known?: Credential | undefined;
  readonly prepared?: PreparedStore;
  readonly namespace?: OpenNamespace | undefined;
  readonly failed?: KeymeshError;
}

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

const WITHHELD: StoreItemResult = { outcome: 'skipped', reason: 'atomic' };
const EXISTS: StoreItemResult = { outcome: 'skipped', reason: 'exists' };

/** What is the item's own failure; of anything else the whole batch fails, because it would do so again for the next item. */
const isOwn = (error: unknown): error is KeymeshError =>
  KeymeshError.is(error) &&
  isErrorCode(error.code) &&
  (ERROR_CATALOGUE[error.code].status < 500 || error.code === 'CREDENTIAL_DAMAGED');

async function prepareAll(ports: StoreItemsPorts, batch: ItemsToStore, call: Call): Promise<Entry[]> {
  const entries: Entry[] = [];
  try {
    for (const item of batch.items) {
      const attempt = ports.beginAttempt('credential.stored', call);
      const isTwice = entries.some(({ name }) => name === canonicalName(item.name));
      entries.push(
        isTwice ? { attempt, failed: namedTwice() } : await prepareOne(ports, batch, item, { call, attempt }),
      );
    }
    return entries;
  } catch (error) {
    for (const { prepared } of entries) disposeValues(prepared?.generated ?? {});
    throw error;
  }
}

const namedTwice = () =>
  failure('BAD_REQUEST', {
    publicMessage: 'The batch names this credential twice. Store its versions one after the other.',
  });

/** All that a single store does before its transaction. */
async function prepareOne(
  ports: StoreItemsPorts,
  { permitItem, dryRun }: ItemsToStore,
  item: StoreItem,
  by: { readonly call: Call; readonly attempt: OwnAttempt },
): Promise<Entry> {
  const { attempt } = by;
  let entry: Entry = { attempt };
  try {
    const request = parseMessage(storeCredential.request, item);
    const name = canonicalName(request.name);
    attempt.named(name);
    entry = { ...entry, name };
    const plugin = credentialTypeOf(request.type);
    const { credential: known } = await ports.index.findByName(name);
    permitItem?.(name, attempt);
    permitStore(ports, { name, existing: known, ...by });
    entry = { ...entry, known, prepared: await prepareStore(ports, { plugin, name, request, known }) };
    // A dry run leaves nothing behind: no namespace either.
    return dryRun ? entry : { ...entry, namespace: await ports.values.openNamespace(namespaceOf(name)) };
  } catch (error) {
    disposeValues(entry.prepared?.generated ?? {});
    if (!isOwn(error)) throw error;
    return { ...entry, failed: error };
  }
}

/** What would become of it, by what memory knows. */
function expectOne({ failed, prepared, known }: Entry, { skipExisting }: ItemsToStore): StoreItemResult {
  if (prepared === undefined || failed !== undefined) return failedItem(failed);
  try {
    checkExpectation(known, prepared.request);
    return { outcome: 'accepted', created: known === undefined, findings: [...prepared.quality.findings] };
  } catch (error) {
    return skipExisting === true && existsAlready(error) ? EXISTS : failedItem(error);
  }
}

const existsAlready = (error: unknown): boolean =>
  KeymeshError.is(error) && error.code === 'CREDENTIAL_EXISTS';

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
