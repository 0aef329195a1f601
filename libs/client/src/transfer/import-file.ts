import {
  credentialName,
  failure,
  importItem,
  parseMessage,
  type ImportItem,
  type ImportSource,
} from '@keymesh/contracts';
import { KeymeshError, type Secret } from '@keymesh/kernel';
import { valueParts, type GivenValue } from '../value-parts.js';

/** What a file says of one credential. */
export interface ImportEntry {
  /** `line 3`, or `entry 3` where there are no lines. */
  readonly place: string;
  readonly item: ImportItem;
}

/** Something in a file that cannot be imported. Names the place and the rule, never what is there. */
export interface ImportProblem {
  readonly place: string;
  readonly sentence: string;
}

export interface ParsedFile {
  readonly entries: readonly ImportEntry[];
  readonly problems: readonly ImportProblem[];
}

export interface ParseOptions {
  /** Put in front of every name. */
  readonly namespace?: string | undefined;
  /** Of what does not say its type. Default: `api_key`. */
  readonly type?: string | undefined;
}

/** Reads one kind of file. Owns what it makes: the caller disposes the values of `entries`. */
export type ParseFile = (bytes: Uint8Array, options: ParseOptions) => ParsedFile;

/** A credential as a file gives it, before anything is checked. */
export interface RawEntry extends Omit<ImportItem, 'values' | 'type'>, GivenValue {
  readonly type?: string | undefined;
}

/**
 * Checks what a file says of one credential.
 * @throws IMPORT_INVALID with a sentence; what it throws quotes nothing of the file
 */
export function entryOf(
  place: string,
  raw: RawEntry,
  { namespace, type = 'api_key' }: ParseOptions,
): ImportEntry {
  const { value, username, values, name, ...rest } = raw;
  const typed = { ...rest, type: rest.type ?? type };
  const parts: Record<string, Secret> | undefined = valueParts(typed.type, { value, username, values });
  try {
    if (parts === undefined) throw failure('IMPORT_INVALID', { publicMessage: 'has no value' });
    const fullName = namespace === undefined ? name : `${namespace}/${name}`;
    parseMessage(credentialName, fullName);
    return { place, item: parseMessage(importItem, { ...typed, name: fullName, values: parts }) };
  } catch (error) {
    for (const part of Object.values(parts ?? {})) part.dispose();
    throw failure('IMPORT_INVALID', { publicMessage: sentenceOf(error) });
  }
}

const NAME_RULE =
  'has no valid name: lower-case letters, digits, dot, _ and -, with / between namespaces, at most three of them';

function sentenceOf(error: unknown): string {
  if (!KeymeshError.is(error)) return 'is not valid';
  if (error.code === 'CREDENTIAL_NAME_INVALID') return NAME_RULE;
  return (error.publicMessage ?? 'is not valid')
    .replace(/^The request is not valid\. /, '')
    .replace(/\.$/, '');
}

/** Collects entries and problems of a file; `add` never throws. */
export function makeCollector(options: ParseOptions) {
  const entries: ImportEntry[] = [];
  const problems: ImportProblem[] = [];
  const names = new Set<string>();
  const refuse = (place: string, sentence: string): void => void problems.push({ place, sentence });
  return {
    refuse,
    add(place: string, raw: RawEntry): void {
      try {
        const entry = entryOf(place, raw, options);
        if (names.has(entry.item.name)) {
          disposeEntries([entry]);
          refuse(place, 'names a credential that the file has named before');
          return;
        }
        names.add(entry.item.name);
        entries.push(entry);
      } catch (error) {
        refuse(place, sentenceOf(error));
      }
    },
    parsed: (): ParsedFile => ({ entries, problems }),
  };
}

/** Zeroes the values. Idempotent. */
export function disposeEntries(entries: readonly ImportEntry[]): void {
  for (const { item } of entries) for (const part of Object.values(item.values ?? {})) part.dispose();
}

/** What kind of file it is, by its name. @returns undefined for a name that does not tell. */
export function sourceOf(file: string): ImportSource | undefined {
  const name = (file.split(/[\\/]/).at(-1) ?? '').toLowerCase();
  if (name === '.env' || name.startsWith('.env.') || name.endsWith('.env')) return 'env';
  if (name.endsWith('.json')) return 'json';
  if (name.endsWith('.csv')) return 'csv';
  return name.endsWith('.age') || name.endsWith('.keymesh') ? 'bundle' : undefined;
}
