// What needs no escape in JSON: printable ASCII but quote and backslash.
const PLAIN = /^[ !#-[\]-~]*$/;
/** Names as they are written, colon included. Records have a few dozen; the bound is for those that somebody may choose. */
const names = new Map<string, string>();
const MAX_NAMES = 1_000;
/** Names of one object that are sorted by insertion. */
const MAX_INSERTED = 32;

/**
 * Canonical JSON (RFC 8785) of plain data: objects, arrays, strings, finite numbers, booleans and null; a field that is undefined is left
 * out. Written for the one text that every request makes, its audit record: a general serialiser took as long as the cryptography. A spec
 * holds it equal to one.
 * @throws TypeError for anything else, a lone surrogate included.
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return textOf(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError('JSON has no such number');
      // SOURCE: RFC 8785 section 3.2.2.3: numbers as ECMAScript writes them, and minus zero as 0.
      return String(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? listOf(value) : objectOf(value as Readonly<Record<string, unknown>>);
    default:
      throw new TypeError(`JSON has no ${typeof value}`);
  }
}

function textOf(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError('a text with a lone surrogate');
  return JSON.stringify(text);
}

function listOf(items: readonly unknown[]): string {
  let json = '';
  for (const item of items) json += json === '' ? canonicalJson(item) : `,${canonicalJson(item)}`;
  return `[${json}]`;
}

function objectOf(fields: Readonly<Record<string, unknown>>): string {
  const prototype: unknown = Object.getPrototypeOf(fields);
  // A Date or a Secret has a form of its own, which nobody means to put into a record.
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError('not a plain object');
  let json = '';
  for (const name of inOrder(Object.keys(fields))) {
    const value = fields[name];
    if (value === undefined) continue;
    json += (json === '' ? '' : ',') + nameOf(name) + canonicalJson(value);
  }
  return `{${json}}`;
}

function nameOf(name: string): string {
  const known = names.get(name);
  if (known !== undefined) return known;
  const written = `${textOf(name)}:`;
  if (names.size < MAX_NAMES) names.set(name, written);
  return written;
}

/**
 * Sorts them in place by UTF-16 code units, RFC 8785 section 3.2.3. By insertion: an object of a record has a dozen names, and setting up
 * the general sort costs more than the few moves; above that it is the general one.
 */
function inOrder(keys: string[]): readonly string[] {
  if (keys.length > MAX_INSERTED) return keys.sort();
  for (let end = 1; end < keys.length; end += 1) {
    const key = keys[end] ?? '';
    let at = end;
    for (; at > 0 && (keys[at - 1] ?? '') > key; at -= 1) keys[at] = keys[at - 1] ?? '';
    keys[at] = key;
  }
  return keys;
}
