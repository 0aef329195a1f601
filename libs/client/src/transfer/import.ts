import {
  failure,
  importCredentials,
  MAX_BATCH_ITEMS,
  type ImportItem,
  type ImportSource,
  type OnConflict,
  type StoreItemResult,
} from '@keymesh/contracts';
import type { Keymesh } from '../connect.js';
import { pagesOf } from '../pages.js';
import type { BundledCredential } from './bundle.js';
import type { ImportEntry } from './import-file.js';

export interface ImportOptions {
  readonly source: ImportSource;
  readonly onConflict?: OnConflict;
  readonly atomic?: boolean;
  readonly dryRun?: boolean;
}

/** What became of an entry of a file. */
export interface ImportReport {
  readonly place: string;
  readonly name: string;
  readonly result: StoreItemResult;
}

const DEADLINE_MS = 30_000;

/**
 * Imports entries, in order, in as few requests as they fit into; with `atomic` all in one or none. Their values stay the caller's.
 * @throws BATCH_TOO_LARGE when `atomic` does not fit into one request (250 entries, 900 KiB); DENIED for who may not import
 */
export async function importEntries(
  { call }: Pick<Keymesh, 'call'>,
  entries: readonly ImportEntry[],
  { source, onConflict = 'fail', atomic = false, dryRun = false }: ImportOptions,
): Promise<ImportReport[]> {
  const pages = [
    ...pagesOf(
      entries.map(({ item }) => item),
      MAX_BATCH_ITEMS.store,
    ),
  ];
  if (atomic && pages.length > 1) throw tooLargeToBeAtomic();
  const results: StoreItemResult[] = [];
  for (const items of pages) {
    const request = { items, onConflict, atomic, dryRun, source };
    const reply = await call(importCredentials, request, { deadlineMs: DEADLINE_MS });
    results.push(...reply.results);
  }
  return entries.flatMap(({ place, item }, at) => {
    const result = results[at];
    return result === undefined ? [] : [{ place, name: item.name, result }];
  });
}

const tooLargeToBeAtomic = () =>
  failure('BATCH_TOO_LARGE', {
    publicMessage:
      'All or nothing takes one request: at most 250 entries and 900 KiB. Part the file, or import it without --atomic.',
  });

/** An entry of an export, as an entry to import. */
export function entryOfBundle(
  { version: _, name, ...rest }: BundledCredential,
  at: number,
  namespace?: string,
): ImportEntry {
  const item: ImportItem = { ...rest, name: namespace === undefined ? name : `${namespace}/${name}` };
  return { place: `entry ${String(at + 1)}`, item };
}

/**
 * Imports a bundle as it is read, page after page. Read it to its end once before: what was changed or cut off shows only there.
 * @throws as {@link importEntries}, BUNDLE_INVALID
 */
export async function* importBundle(
  keymesh: Pick<Keymesh, 'call'>,
  credentials: AsyncIterable<BundledCredential>,
  options: Omit<ImportOptions, 'source'> & { readonly namespace?: string | undefined },
): AsyncGenerator<ImportReport> {
  let page: ImportEntry[] = [];
  let at = 0;
  const flush = async (): Promise<ImportReport[]> => {
    const full = page;
    page = [];
    try {
      return await importEntries(keymesh, full, { ...options, source: 'bundle' });
    } finally {
      for (const { item } of full) for (const part of Object.values(item.values ?? {})) part.dispose();
    }
  };
  for await (const credential of credentials) {
    page.push(entryOfBundle(credential, at, options.namespace));
    at += 1;
    // An atomic import is one request, or refused by importEntries.
    if (page.length === MAX_BATCH_ITEMS.store && options.atomic !== true) yield* await flush();
  }
  if (page.length > 0) yield* await flush();
}
