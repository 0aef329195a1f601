const PREFIX_BYTES = 4;
const encoder = new TextEncoder();
// ignoreBOM: a byte order mark stays a character. Dropped, two byte strings would read as one text.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of a text. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** Text of UTF-8 bytes. @throws TypeError on invalid UTF-8. */
export const fromUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes);

/** Concatenates into one fresh array. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Unpadded base64url (RFC 4648 section 5). */
export const toBase64Url = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');

/** @returns the bytes, or undefined unless `text` is exactly the canonical unpadded base64url form. */
export function fromBase64Url(text: string): Uint8Array | undefined {
  const pooled = Buffer.from(text, 'base64url');
  const bytes = pooled.toString('base64url') === text ? new Uint8Array(pooled) : undefined;
  pooled.fill(0); // it may hold a key, in memory that node hands out again
  return bytes;
}

/** Lower-case hexadecimal. */
export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');

/**
 * Prefixes each field with its length (4 bytes, big endian), so that no two lists of fields give the same bytes (texts count as
 * their UTF-8, so texts must be well-formed). Every AAD and signed statement is made with this.
 */
export function lengthPrefixed(...fields: readonly (Uint8Array | string)[]): Uint8Array {
  let size = 0;
  for (const field of fields)
    size += PREFIX_BYTES + (typeof field === 'string' ? Buffer.byteLength(field) : field.length);
  // Memory of its own, never node's pool: callers zero it.
  const all = new Uint8Array(size);
  const out = Buffer.from(all.buffer);
  let at = 0;
  for (const field of fields) {
    const start = at + PREFIX_BYTES;
    if (typeof field === 'string') at = start + out.write(field, start);
    else {
      all.set(field, start);
      at = start + field.length;
    }
    out.writeUInt32BE(at - start, start - PREFIX_BYTES);
  }
  return all;
}
