import { fromUtf8 } from '@keymesh/kernel';
import { parse } from 'dotenv';
import { makeCollector, type ParseFile } from './import-file.js';

const BEGINS = /^\s*(?:export\s+)?([\w.-]+)\s*=\s*(.*)$/;
const QUOTES = ['"', "'", '`'];

/**
 * Reads `.env`: `KEY=value`, quoted or not, over several lines where a quote stays open, as dotenv reads it. The credential is the key in
 * lower case. What dotenv would silently cut (an unquoted `#`) or skip (any other line) is refused with its line.
 * The text passes through JavaScript strings, which cannot be wiped.
 */
export const parseEnv: ParseFile = (bytes, options) => {
  const collector = makeCollector(options);
  const lines = textLines(bytes);
  if (lines === undefined) {
    collector.refuse('line 1', 'is not UTF-8 text');
    return collector.parsed();
  }
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (/^\s*(#.*)?$/.test(line)) continue;
    const place = `line ${String(at + 1)}`;
    const [, key, begun = ''] = BEGINS.exec(line) ?? [];
    if (key === undefined) {
      collector.refuse(place, 'is not KEY=value');
      continue;
    }
    const quote = QUOTES.find((mark) => begun.startsWith(mark));
    const last = quote === undefined ? at : closingLine(lines, at, begun, quote);
    if (last === undefined) {
      collector.refuse(place, 'opens a quote that no line closes');
      return collector.parsed();
    }
    if (quote === undefined && begun.includes('#')) {
      collector.refuse(
        place,
        'has a # in a value without quotes, which would be cut there: put it in quotes',
      );
      continue;
    }
    const value = parse(lines.slice(at, last + 1).join('\n'))[key];
    at = last;
    if (value === undefined) collector.refuse(place, 'is not KEY=value');
    else collector.add(place, { name: key.toLowerCase(), ...(value === '' ? {} : { value }) });
  }
  return collector.parsed();
};

function textLines(bytes: Uint8Array): string[] | undefined {
  try {
    return fromUtf8(bytes)
      .replace(/^\uFEFF/, '')
      .split(/\r\n|\n|\r/);
  } catch {
    return undefined;
  }
}

/** Where the quote that opened is closed: a mark that no backslash stands before. */
function closingLine(
  lines: readonly string[],
  from: number,
  begun: string,
  quote: string,
): number | undefined {
  const isClosed = (text: string) => new RegExp(`(?<!\\\\)${quote}`).test(text);
  if (isClosed(begun.slice(1))) return from;
  for (let at = from + 1; at < lines.length; at += 1) if (isClosed(lines[at] ?? '')) return at;
  return undefined;
}
