import { decodeFrame, importItem } from '@keymesh/contracts';
import { fromUtf8 } from '@keymesh/kernel';
import { z } from 'zod';
import { makeCollector, type ParseFile, type RawEntry } from './import-file.js';

const { values: _, name: __, type: ___, ...described } = importItem.shape;
const parts = z.record(z.string(), z.string());
const fields = z.strictObject({
  ...described,
  type: z.string().max(64).optional(),
  value: z.string().optional(),
  valueBase64: z.base64().optional(),
  username: z.string().optional(),
  values: parts.optional(),
  valuesBase64: z.record(z.string(), z.base64()).optional(),
});
const named = z.strictObject({ name: z.string(), ...fields.shape });

/**
 * Reads JSON: an object of names with values (`{"stripe": "…"}`) or with what belongs to each (`{"db": {"type": "username_password", …}}`), or
 * a list of those with a `name`. Bytes that are no text come as `valueBase64` or `valuesBase64`.
 * The text passes through JavaScript strings, which cannot be wiped.
 */
export const parseJson: ParseFile = (bytes, options) => {
  const collector = makeCollector(options);
  const add = (place: string, name: string | undefined, entry: unknown): void => {
    const raw = rawEntry(name, entry);
    if (typeof raw === 'string') collector.refuse(place, raw);
    else collector.add(place, raw);
  };
  const content = read(bytes);
  if ('problem' in content) collector.refuse(content.place, content.problem);
  else if (Array.isArray(content.json))
    for (const [at, entry] of content.json.entries()) add(`entry ${String(at + 1)}`, undefined, entry);
  else if (typeof content.json === 'object' && content.json !== null)
    for (const [at, [name, entry]] of Object.entries(content.json).entries())
      add(`entry ${String(at + 1)}`, name, entry);
  else collector.refuse('line 1', 'begins neither an object nor a list');
  return collector.parsed();
};

/** @returns a sentence when it is none. */
function rawEntry(name: string | undefined, entry: unknown): RawEntry | string {
  if (name !== undefined && typeof entry === 'string') return { name, value: entry };
  const parsed = name === undefined ? named.safeParse(entry) : fields.safeParse(entry);
  if (!parsed.success) return problemOf(parsed.error);
  const { value, valueBase64, valuesBase64 = {}, values, ...rest } = { name: name ?? '', ...parsed.data };
  const bytesOfParts = Object.entries(valuesBase64).map(([part, text]) => [part, fromBase64(text)] as const);
  return {
    ...rest,
    value: valueBase64 === undefined ? value : fromBase64(valueBase64),
    values: { ...values, ...Object.fromEntries(bytesOfParts) },
  };
}

const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

type Content = { readonly json: unknown } | { readonly place: string; readonly problem: string };

function read(bytes: Uint8Array): Content {
  const json = withoutMark(bytes);
  try {
    // Strict: an object that names a field twice is refused, because readers differ on which one counts.
    return { json: decodeFrame(undefined, json) };
  } catch {
    return { place: `line ${String(lineOfError(json))}`, problem: 'is not JSON, or names something twice' };
  }
}

const withoutMark = (bytes: Uint8Array): Uint8Array =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;

/** INVARIANT: of the parser's text, which quotes the file, only the line number is read. */
function lineOfError(bytes: Uint8Array): number {
  try {
    JSON.parse(fromUtf8(bytes));
    return 1;
  } catch (error) {
    const line =
      error instanceof SyntaxError ? /\(line (\d+) column \d+\)/.exec(error.message)?.[1] : undefined;
    return Number(line ?? 1);
  }
}

/** Names fields of ours and their rules, never what the file says. */
function problemOf(error: z.ZodError): string {
  const [issue] = error.issues;
  const field = issue?.path.find(
    (segment) => typeof segment === 'string' && Object.hasOwn(named.shape, segment),
  );
  if (field !== undefined) return `has a ${String(field)} that is not valid`;
  return issue?.code === 'unrecognized_keys'
    ? `has a field that is none of ${Object.keys(named.shape).join(', ')}`
    : 'is neither a text nor an object with a value';
}
