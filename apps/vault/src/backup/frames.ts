import { failure } from '@keymesh/contracts';
import { concat, fromUtf8, utf8 } from '@keymesh/kernel';
import canonicalize from 'canonicalize';

// Contents are a row of frames: u8 kind (1: JSON, 2: data) ‖ u32 bytes (big endian) ‖ payload.
const KIND = { json: 1, data: 2 } as const;
const HEAD_BYTES = 5;
/** What a reader holds at most. */
const MAX_FRAME_BYTES = 16 * 2 ** 20;

export type Frame =
  { readonly kind: 'json'; readonly value: unknown } | { readonly kind: 'data'; readonly bytes: Uint8Array };

export const jsonFrame = (value: object): Uint8Array => frame(KIND.json, utf8(canonicalize(value) ?? ''));

/** @param bytes cut into several frames where they are many. */
export function* dataFrames(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 2 ** 20) yield frame(KIND.data, bytes.subarray(at, at + 2 ** 20));
}

function frame(kind: number, payload: Uint8Array): Uint8Array {
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = kind;
  head.writeUInt32BE(payload.length, 1);
  return concat(head, payload);
}

/** @throws BACKUP_INVALID for what is no row of frames, or ends within one. */
export async function* readFrames(contents: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  let seen: Uint8Array = new Uint8Array();
  for await (const piece of contents) {
    seen = seen.length === 0 ? piece : concat(seen, piece);
    for (let size = frameSize(seen); size !== undefined && seen.length >= size; size = frameSize(seen)) {
      yield toFrame(seen[0], seen.slice(HEAD_BYTES, size));
      seen = seen.subarray(size);
    }
  }
  if (seen.length > 0) throw malformed();
}

function frameSize(seen: Uint8Array): number | undefined {
  if (seen.length < HEAD_BYTES) return undefined;
  const size = new DataView(seen.buffer, seen.byteOffset).getUint32(1);
  if (size > MAX_FRAME_BYTES) throw malformed();
  return HEAD_BYTES + size;
}

function toFrame(kind: number | undefined, payload: Uint8Array): Frame {
  if (kind === KIND.data) return { kind: 'data', bytes: payload };
  if (kind !== KIND.json) throw malformed();
  try {
    return { kind: 'json', value: JSON.parse(fromUtf8(payload)) };
  } catch {
    throw malformed();
  }
}

export const malformed = () =>
  failure('BACKUP_INVALID', { details: { reason: 'its contents are not in order' } });
