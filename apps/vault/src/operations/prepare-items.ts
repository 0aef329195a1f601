import {
  ERROR_CATALOGUE,
  failure,
  isErrorCode,
  parseMessage,
  storeCredential,
  type StoreItem,
  type StoreItemResult,
} from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import type { BeginAttempt, OwnAttempt, Written } from '../domain/audit-trail.js';
import { failedItem } from '../domain/batch.js';
import type { Credential } from '../domain/credential.js';
import { checkExpectation } from '../domain/draft.js';
import type { Mutations } from '../domain/mutations.js';
import { canonicalName, namespaceOf } from '../domain/name.js';
import { disposeValues } from '../domain/parts.js';
import type { MetadataIndex, OpenNamespace, ValueVault } from '../domain/ports.js';
import { credentialTypeOf } from '../domain/types/index.js';
import { permitStore, prepareStore, type PreparedStore, type StorePorts } from './store-steps.js';

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

/** What is left alone because it is there already. */
export const EXISTS: StoreItemResult = { outcome: 'skipped', reason: 'exists' };

/** One item on its way: `failed` as soon as something of it does. */
export interface Entry {
  readonly attempt: OwnAttempt;
  readonly name?: string;
  readonly known?: Credential | undefined;
  readonly prepared?: PreparedStore;
  readonly namespace?: OpenNamespace | undefined;
  readonly failed?: KeymeshError;
}

/** What is the item's own failure; of anything else the whole batch fails, because it would do so again for the next item. */
export const isOwn = (error: unknown): error is KeymeshError =>
  KeymeshError.is(error) &&
  isErrorCode(error.code) &&
  (ERROR_CATALOGUE[error.code].status < 500 || error.code === 'CREDENTIAL_DAMAGED');

/** Each item up to its transaction, in order; what fails of one is its own. @throws what is nobody’s own fault */
export async function prepareAll(ports: StoreItemsPorts, batch: ItemsToStore, call: Call): Promise<Entry[]> {
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
export function expectOne(
  { failed, prepared, known }: Entry,
  { skipExisting }: ItemsToStore,
): StoreItemResult {
  if (prepared === undefined || failed !== undefined) return failedItem(failed);
  try {
    checkExpectation(known, prepared.request);
    return { outcome: 'accepted', created: known === undefined, findings: [...prepared.quality.findings] };
  } catch (error) {
    return skipExisting === true && existsAlready(error) ? EXISTS : failedItem(error);
  }
}

/** Whether a store failed because something of this name is there. */
export const existsAlready = (error: unknown): boolean =>
  KeymeshError.is(error) && error.code === 'CREDENTIAL_EXISTS';
