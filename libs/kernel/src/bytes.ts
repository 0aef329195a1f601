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
  return concat(
    ...fields.flatMap((field) => {
      const bytes = typeof field === 'string' ? utf8(field) : field;
      const size = new Uint8Array(4);
      new DataView(size.buffer).setUint32(0, bytes.length);
      return [size, bytes];
    }),
  );
}
