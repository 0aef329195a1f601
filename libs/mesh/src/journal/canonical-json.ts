// What needs no escape in JSON: printable ASCII but quote and backslash.
const PLAIN = /^[ !#-[\]-~]*$/;

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
  // By UTF-16 code units, RFC 8785 section 3.2.3.
  for (const name of Object.keys(fields).sort()) {
    const value = fields[name];
    if (value === undefined) continue;
    json += `${json === '' ? '' : ','}${textOf(name)}:${canonicalJson(value)}`;
  }
  return `{${json}}`;
}
