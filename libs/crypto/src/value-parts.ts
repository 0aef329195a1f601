import { fromUtf8, Secret, utf8 } from '@keymesh/kernel';
import { closed } from './failures.js';

// The plaintext of a value, frozen: u8 count ‖ for each part u8 name length ‖ ASCII name ‖ u32 size ‖ bytes (big endian).
const MAX_PARTS = 255;
const NAME = /^[a-z][a-z0-9_]{0,31}$/;

/** A value's parts by name, e.g. `username` and `password`. */
export type ValueParts = Readonly<Record<string, Secret>>;

/**
 * Writes the parts as one plaintext, ordered by name, with no other copy of them.
 * @param parts 1 to 255, named `[a-z][a-z0-9_]{0,31}`; the caller keeps ownership.
 * @returns the plaintext; the caller disposes it.
 * @throws DECRYPTION_FAILED for no part, too many, or another name.
 */
export function encodeParts(parts: ValueParts): Secret<'value-parts'> {
  const names = Object.keys(parts).sort();
  if (names.length === 0 || names.length > MAX_PARTS || !names.every((name) => NAME.test(name)))
    throw closed();
  const size = names.reduce((sum, name) => sum + 1 + name.length + 4 + (parts[name]?.sizeBytes ?? 0), 1);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes[0] = names.length;
  let at = 1;
  for (const name of names) {
    const part = parts[name];
    if (part === undefined) throw closed();
    view.setUint8(at, name.length);
    bytes.set(utf8(name), at + 1);
    view.setUint32(at + 1 + name.length, part.sizeBytes);
    at += 1 + name.length + 4;
    // EXPOSE: copied into the plaintext, which is itself a Secret and is encrypted next.
    bytes.set(part.expose(), at);
    at += part.sizeBytes;
  }
  return new Secret(bytes, 'value-parts');
}

/**
 * Reads a plaintext back. Strict: exactly what {@link encodeParts} writes, in its order, with nothing after it.
 * @returns copies; the caller disposes them, and the plaintext.
 * @throws DECRYPTION_FAILED otherwise.
 */
export function decodeParts(plaintext: Secret): ValueParts {
  // EXPOSE: split into one Secret for each part; nothing leaves this function unwrapped.
  const parts = readParts(plaintext.expose());
  if (parts !== undefined) return Object.fromEntries(parts);
  throw closed();
}

function readParts(bytes: Uint8Array): [string, Secret][] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const spans: { name: string; from: number; to: number }[] = [];
  let at = 1;
  for (let part = 0; part < (bytes[0] ?? 0); part++) {
    const nameEnd = at + 1 + (bytes[at] ?? 0);
    if (nameEnd + 4 > bytes.length) return undefined;
    const name = asciiOf(bytes.subarray(at + 1, nameEnd));
    const previous = spans.at(-1)?.name ?? '';
    const from = nameEnd + 4;
    at = from + view.getUint32(nameEnd);
    if (!NAME.test(name) || name <= previous || at > bytes.length) return undefined;
    spans.push({ name, from, to: at });
  }
  if (spans.length === 0 || at !== bytes.length) return undefined;
  return spans.map(({ name, from, to }) => [
    name,
    new Secret(Uint8Array.from(bytes.subarray(from, to)), `part-${name}`),
  ]);
}

function asciiOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    return ''; // never a valid name
  }
}
