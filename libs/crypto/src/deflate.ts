import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** DEFLATE (RFC 1951) at the highest level: values are small and written seldom. @returns what the caller wipes. */
export const deflate = (plain: Uint8Array): Uint8Array =>
  // One chunk is enough for all of it, so that no half-filled one is left behind unwiped.
  deflateRawSync(plain, { level: 9, chunkSize: Math.max(64, plain.length + 64) });

/**
 * The reverse. @param size in bytes; nothing longer is ever unpacked. @returns what the caller wipes; undefined unless it is exactly
 * `size` long and there is nothing after it.
 */
export function inflate(body: Uint8Array, size: number): Uint8Array | undefined {
  try {
    // `info`: how much of the input was used; node ignores what comes after the last block. Its types do not know what `info` returns.
    const { buffer, engine } = inflateRawSync(body, {
      info: true,
      maxOutputLength: size,
      chunkSize: Math.max(64, size + 1),
    }) as unknown as { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
    if (buffer.length === size && engine.bytesWritten === body.length) return buffer;
    buffer.fill(0);
    return undefined;
  } catch {
    return undefined;
  }
}
