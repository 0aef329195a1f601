import { fromUtf8 } from '@keymesh/kernel';
import { failure } from './errors.js';

const MAX_DEPTH = 16;
const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];
const [OPEN_LIST, OPEN_OBJECT, CLOSE_LIST, CLOSE_OBJECT] = [0x5b, 0x7b, 0x5d, 0x7d];

/**
 * Parses JSON as bytes; nothing at all is `{}`.
 * @throws MALFORMED_MESSAGE for anything but well-formed UTF-8 JSON, at most 16 deep, in which no object names a field twice
 * (readers differ on which one counts). Never repeats content.
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return {};
  const { colons, depth } = scan(bytes);
  // Before parsing: 900 KiB of brackets take the parser a second.
  if (depth > MAX_DEPTH) throw malformed('The JSON is nested too deeply.');
  const value = parse(bytes);
  if (colons !== countFields(value)) throw malformed('The JSON names a field twice.');
  return value;
}

const malformed = (publicMessage: string) => failure('MALFORMED_MESSAGE', { publicMessage });

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    // INVARIANT: the parser's own text quotes the input, so it never becomes a cause or message.
    throw failure('MALFORMED_MESSAGE');
  }
}

/** Colons outside strings (one for each field written) and the deepest nesting. Says nothing of bytes that are no JSON. */
function scan(bytes: Uint8Array): { colons: number; depth: number } {
  let colons = 0;
  let open = 0;
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) at = endOfString(bytes, at + 1);
    else if (byte === COLON) colons++;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth = Math.max(depth, ++open);
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) open--;
  }
  return { colons, depth };
}

function endOfString(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
}

/** Fields that are there after parsing: one for each name of each object. */
function countFields(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const items: unknown[] = Object.values(value);
  let fields = Array.isArray(value) ? 0 : items.length;
  for (const item of items) fields += countFields(item);
  return fields;
}
