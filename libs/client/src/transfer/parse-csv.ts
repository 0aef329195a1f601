import { SENSITIVITIES } from '@keymesh/contracts';
import { fromUtf8 } from '@keymesh/kernel';
import { CsvError, parse } from 'csv-parse/sync';
import { makeCollector, type ParseFile, type RawEntry } from './import-file.js';

const COLUMNS = [
  ...['name', 'type', 'provider', 'description', 'label', 'tags', 'sensitivity', 'expires_at'],
  ...['username', 'value', 'value_base64'],
] as const;
type Column = (typeof COLUMNS)[number];
/** `part.client_id`: a part by its name. */
const PART = /^part\.([a-z][a-z0-9_]{0,31})$/;

interface Row {
  readonly record: Buffer[];
  readonly info: { readonly lines: number };
}

/**
 * Reads CSV (RFC 4180) whose first row names its columns. Fields stay bytes, and are wiped; what is no value becomes text.
 * An empty field counts as none. `tags` are parted by `;`.
 */
export const parseCsv: ParseFile = (bytes, options) => {
  const collector = makeCollector(options);
  const rows = readRows(bytes);
  if (!Array.isArray(rows)) {
    collector.refuse(`line ${String(rows.line)}`, 'is not CSV: check its quotes');
    return collector.parsed();
  }
  const [header, ...records] = rows;
  const columns = header?.record.map(textOf) ?? [];
  const foreign = columns.findIndex((column) => !isColumn(column) && !PART.test(column));
  if (foreign !== -1 || !columns.includes('name') || new Set(columns).size < columns.length)
    collector.refuse(
      'line 1',
      `must name the columns, each once and name among them: ${COLUMNS.join(', ')}, or part.NAME` +
        (foreign === -1 ? '' : ` (column ${String(foreign + 1)} is none)`),
    );
  else
    for (const { record, info } of records) {
      const place = `line ${String(info.lines)}`;
      if (record.length !== columns.length)
        collector.refuse(place, `has not ${String(columns.length)} fields`);
      else {
        const entry = entryOfRow(columns, record);
        if (typeof entry === 'string') collector.refuse(place, entry);
        else collector.add(place, entry);
      }
    }
  for (const { record } of rows) for (const field of record) field.fill(0);
  return collector.parsed();
};

const isColumn = (name: string): name is Column => COLUMNS.some((column) => column === name);

function readRows(bytes: Uint8Array): Row[] | { readonly line: number } {
  try {
    // The parser's types know nothing of what `info` and `encoding: null` make of a row.
    return parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), {
      bom: true,
      encoding: null,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
    }) as unknown as Row[];
  } catch (error) {
    // INVARIANT: of the parser's error, whose text quotes the file, only the line is read.
    return { line: error instanceof CsvError && typeof error.lines === 'number' ? error.lines : 1 };
  }
}

/** @returns a sentence when a field is not what its column takes. */
function entryOfRow(columns: readonly string[], record: readonly Buffer[]): RawEntry | string {
  const field = (column: Column): Buffer | undefined => {
    const found = record[columns.indexOf(column)];
    return found === undefined || found.length === 0 ? undefined : found;
  };
  const text = (column: Column): string | undefined => {
    const found = field(column);
    return found === undefined ? undefined : textOf(found);
  };
  const sensitivity = text('sensitivity');
  const known = SENSITIVITIES.find((one) => one === sensitivity);
  if (sensitivity !== undefined && known === undefined)
    return `has a sensitivity that is none of ${SENSITIVITIES.join(', ')}`;
  const base64 = text('value_base64');
  const parts = columns.flatMap((column, at) => {
    const part = PART.exec(column)?.[1];
    const bytes = record[at];
    return part === undefined || bytes === undefined || bytes.length === 0 ? [] : [[part, bytes] as const];
  });
  return {
    name: text('name') ?? '',
    ...defined({
      type: text('type'),
      provider: text('provider'),
      description: text('description'),
      label: text('label'),
      tags: text('tags')
        ?.split(';')
        .map((tag) => tag.trim()),
      expiresAt: text('expires_at'),
      sensitivity: known,
    }),
    username: text('username'),
    value: base64 === undefined ? field('value') : new Uint8Array(Buffer.from(base64, 'base64')),
    values: Object.fromEntries(parts),
  };
}

const textOf = (bytes: Buffer): string => {
  try {
    return fromUtf8(bytes);
  } catch {
    return '\uFFFD'; // fits no rule of a name, type or time
  }
};

const defined = <Fields extends object>(fields: Fields) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Fields]?: Exclude<Fields[Name], undefined>;
  };
