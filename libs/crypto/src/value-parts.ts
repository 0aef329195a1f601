import { fromUtf8, Secret, utf8 } from '@keymesh/kernel';
import { closed } from './failures.js';
import { deflate, inflate } from './deflate.js';

// The plaintext of a value, frozen (big endian). Format 1: u8 count ‖ for each part u8 name length ‖ ASCII name ‖ u32 size ‖ bytes.
// Format 2, compressed: u8 0, which is no count ‖ u8 2 ‖ u32 size of a format 1 ‖ DEFLATE (RFC 1951) of it.
const MAX_PARTS = 255;
const COMPRESSED = Uint8Array.of(0, 2);
const HEADER_BYTES = COMPRESSED.length + 4;
/** 64 KiB of values, and the most that names and sizes of 255 parts take: what a DEFLATE may grow to. */
const MAX_PLAINTEXT_BYTES = 65_536 + 1 + MAX_PARTS * (1 + 32 + 4);
const NAME = /^[a-z][a-z0-9_]{0,31}$/;

/** A value's parts by name, e.g. `username` and `password`. */
export type ValueParts = Readonly<Record<string, Secret>>;

/**
 * Writes the parts as one plaintext, ordered by name, with no other copy of them.
 * @param parts 1 to 255, named `[a-z][a-z0-9_]{0,31}`; the caller keeps ownership.
 * @param compress only for long texts, and never where somebody else chooses a part of them: the size of the ciphertext then tells of the
 *   content. Left as it is where that does not make it smaller. zlib's own memory cannot be wiped.
 * @returns the plaintext; the caller disposes it.
 * @throws DECRYPTION_FAILED for no part, too many, or another name.
 */
export function encodeParts(
  parts: ValueParts,
  { compress = false }: { readonly compress?: boolean } = {},
): Secret<'value-parts'> {
  const plain = writeParts(parts);
  const smaller = compress ? compressed(plain) : undefined;
  if (smaller === undefined) return plain;
  plain.dispose();
  return smaller;
}

function compressed(plain: Secret): Secret<'value-parts'> | undefined {
  if (plain.sizeBytes > MAX_PLAINTEXT_BYTES) return undefined;
  // EXPOSE: compressed into a plaintext that is a Secret itself.
  const body = deflate(plain.expose());
  if (HEADER_BYTES + body.length >= plain.sizeBytes) {
    body.fill(0);
    return undefined;
  }
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  bytes.set(COMPRESSED);
  new DataView(bytes.buffer).setUint32(COMPRESSED.length, plain.sizeBytes);
  bytes.set(body, HEADER_BYTES);
  body.fill(0);
  return new Secret(bytes, 'value-parts');
}

function writeParts(parts: ValueParts): Secret<'value-parts'> {
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
 * Reads a plaintext of any format back. Strict: exactly what {@link encodeParts} writes, in its order, with nothing after it.
 * @returns copies; the caller disposes them, and the plaintext.
 * @throws DECRYPTION_FAILED otherwise.
 */
export function decodeParts(plaintext: Secret): ValueParts {
  // EXPOSE: split into one Secret for each part; nothing leaves this function unwrapped.
  const bytes = plaintext.expose();
  const parts = bytes[0] === COMPRESSED[0] ? readCompressed(bytes) : readParts(bytes);
  if (parts !== undefined) return Object.fromEntries(parts);
  throw closed();
}

/** A size that is stated too large, or that the content does not have, is refused before or while it is inflated. */
function readCompressed(bytes: Uint8Array): [string, Secret][] | undefined {
  if (bytes[1] !== COMPRESSED[1] || bytes.length <= HEADER_BYTES) return undefined;
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(COMPRESSED.length);
  // Format 1 is only left for what is smaller, and holds one part or more.
  if (size > MAX_PLAINTEXT_BYTES || size <= bytes.length) return undefined;
  const plain = inflate(bytes.subarray(HEADER_BYTES), size);
  const parts = plain === undefined ? undefined : readParts(plain);
  plain?.fill(0);
  return parts;
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
