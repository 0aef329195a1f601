import {
  batchRetrieveCredentials,
  batchStoreCredentials,
  failure,
  MAX_BATCH_ITEMS,
  type RequestInput,
  type StoreItemResult,
} from '@keymesh/contracts';
import { KeymeshError, type Secret } from '@keymesh/kernel';
import type { Caller } from '@keymesh/mesh';
import type { CallOptions, StoreRequest } from './credentials.js';
import { pagesOf } from './pages.js';
import { RetrievedCredential } from './retrieved-credential.js';
import { valueParts } from './value-parts.js';

export type RetrieveItem = RequestInput<typeof batchRetrieveCredentials>['items'][number];

/** What became of one name: its credential, which the caller disposes, or what a retrieve of it would have thrown. */
export type RetrieveResult =
  | { readonly name: string; readonly credential: RetrievedCredential }
  | { readonly name: string; readonly error: KeymeshError };

/** Many credentials at once. */
export interface BatchOperations {
  /**
   * Stores each as `store` would, in as few transactions as there are requests of 900 KiB and 250 items; with `atomic` all in one or none.
   * @returns a result for each, in order. @throws BATCH_TOO_LARGE when `atomic` does not fit into one request.
   */
  batchStore(
    requests: readonly StoreRequest[],
    options?: CallOptions & { readonly atomic?: boolean; readonly dryRun?: boolean },
  ): Promise<StoreItemResult[]>;
  /** Retrieves each as `retrieve` would, a hundred in one request. @returns a result for each, in order. */
  batchRetrieve(names: readonly (string | RetrieveItem)[], options?: CallOptions): Promise<RetrieveResult[]>;
}

const BATCH_DEADLINE_MS = 30_000;

export function makeBatch(caller: Caller): BatchOperations {
  return {
    async batchStore(requests, { atomic = false, dryRun = false, ...options } = {}) {
      const items = requests.map(itemOf);
      try {
        const pages = [...pagesOf(items, MAX_BATCH_ITEMS.store)];
        if (atomic && pages.length > 1) throw failure('BATCH_TOO_LARGE');
        const results: StoreItemResult[] = [];
        for (const page of pages) {
          const request = { items: page, atomic, dryRun };
          const reply = await caller.call(batchStoreCredentials, request, withDeadline(options));
          results.push(...reply.results);
        }
        return results;
      } finally {
        // These are this method's own copies.
        for (const item of items) disposeParts('values' in item ? item.values : {});
      }
    },
    async batchRetrieve(names, options = {}) {
      const items = names.map((name) => (typeof name === 'string' ? { name } : name));
      const results: RetrieveResult[] = [];
      try {
        while (results.length < items.length) {
          const page = items.slice(results.length, results.length + MAX_BATCH_ITEMS.retrieve);
          results.push(...(await retrievePage(caller, page, options)));
        }
        return results;
      } catch (error) {
        for (const result of results) if ('credential' in result) result.credential.dispose();
        throw error;
      }
    },
  };
}

const disposeParts = (parts: Readonly<Record<string, Secret>>): void =>
  Object.values(parts).forEach((part) => part.dispose());

const withDeadline = (options: CallOptions): CallOptions => ({ deadlineMs: BATCH_DEADLINE_MS, ...options });

function itemOf({ value, username, values, ...request }: StoreRequest) {
  const parts = valueParts(request.type, { value, username, values });
  return parts === undefined ? request : { ...request, values: parts };
}

/** From the first item as far as the answer reaches: what did not fit, and all after it, is for the next page. */
async function retrievePage(
  caller: Caller,
  items: readonly RetrieveItem[],
  options: CallOptions,
): Promise<RetrieveResult[]> {
  const reply = await caller.call(batchRetrieveCredentials, { items: [...items] }, withDeadline(options));
  const all = reply.results.map((result, at): RetrieveResult => {
    const name = items[at]?.name ?? '';
    return result.outcome === 'retrieved'
      ? { name, credential: new RetrievedCredential(result) }
      : { name, error: failure(result.error.code, { publicMessage: result.error.message }) };
  });
  const cut = all.findIndex((result) => 'error' in result && result.error.code === 'PAYLOAD_TOO_LARGE');
  if (cut <= 0) return all;
  for (const result of all.slice(cut)) if ('credential' in result) result.credential.dispose();
  return all.slice(0, cut);
}
