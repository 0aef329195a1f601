import {
  decodeFrame,
  encodeFrame,
  exportedCredential,
  failure,
  partsHeader,
  values,
  type ExportedCredential,
} from '@keymesh/contracts';
import { concat, utf8, type Secret } from '@keymesh/kernel';
import { z } from 'zod';

// What is inside an encrypted export (docs/operations/import-export.md): a line that names the format, then frames. A frame is two bytes
// (big endian) with the length of its list of part lengths, that list, and the parts, as messages on the bus have them. The first frame is
// the head, the last one the end with the number of credentials: a file that was cut off is never taken for a whole one.

const FORMAT_LINE = 'keymesh-export/1\n';
const MAX_FRAME_BYTES = 256 * 1024;

/** One credential of an export; its values are the holder's to dispose. */
export type BundledCredential = ExportedCredential & { readonly values: Record<string, Secret> };

const head = z.strictObject({ kind: z.literal('head'), exportedAt: z.iso.datetime() });
const credential = z.strictObject({ kind: z.literal('credential'), ...exportedCredential.shape, values });
const end = z.strictObject({ kind: z.literal('end'), credentials: z.int() });
const frames = z.discriminatedUnion('kind', [head, credential, end]);

/** Writes an export in the clear, to be encrypted. Disposes each credential's values once they are written. */
export async function* encodeBundle(
  credentials: AsyncIterable<BundledCredential>,
  exportedAt: Date,
): AsyncGenerator<Uint8Array> {
  yield utf8(FORMAT_LINE);
  yield frameOf({ kind: 'head', exportedAt: exportedAt.toISOString() });
  let count = 0;
  for await (const { values: parts, ...rest } of credentials) {
    count += 1;
    const frame = frameOf({ kind: 'credential', ...rest, values: parts });
    for (const part of Object.values(parts)) part.dispose();
    yield frame;
  }
  yield frameOf({ kind: 'end', credentials: count });
}

function frameOf(message: z.input<typeof frames>): Uint8Array {
  const frame = encodeFrame(message);
  const lengths = utf8(partsHeader(frame));
  const size = new Uint8Array(2);
  new DataView(size.buffer).setUint16(0, lengths.length);
  const whole = concat(size, lengths, frame.body);
  frame.body.fill(0);
  return whole;
}

/**
 * Reads what {@link encodeBundle} wrote, credential by credential; the holder disposes their values.
 * @throws BUNDLE_INVALID for anything else: nothing that it gave before may be trusted to be all.
 */
export async function* decodeBundle(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<BundledCredential> {
  const read = makeReader(chunks);
  if (fromAscii(await read(FORMAT_LINE.length)) !== FORMAT_LINE) throw invalid();
  if ((await readFrame(read)).kind !== 'head') throw invalid();
  for (let count = 0; ; count += 1) {
    const frame = await readFrame(read);
    if (frame.kind === 'credential') {
      const { kind: _, ...bundled } = frame;
      yield bundled;
    } else if (frame.kind === 'end' && frame.credentials === count && (await read.isAtEnd())) return;
    else throw invalid();
  }
}

const invalid = () => failure('BUNDLE_INVALID');
const fromAscii = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

type Reader = ((length: number) => Promise<Uint8Array>) & { isAtEnd(): Promise<boolean> };

async function readFrame(read: Reader): Promise<z.output<typeof frames>> {
  const size = await read(2);
  const lengths = fromAscii(await read(new DataView(size.buffer, size.byteOffset).getUint16(0)));
  const total = lengths.split(',').reduce((sum, length) => sum + Number(length), 0);
  if (!(total <= MAX_FRAME_BYTES)) throw invalid();
  const body = await read(total);
  try {
    return frames.parse(decodeFrame(lengths, body));
  } catch {
    throw invalid(); // INVARIANT: what was thrown may quote the file.
  } finally {
    body.fill(0);
  }
}

/** Bytes on demand out of chunks of any size; what was read is zeroed in them. */
function makeReader(chunks: AsyncIterable<Uint8Array>): Reader {
  const source = chunks[Symbol.asyncIterator]();
  let waiting: Uint8Array[] = [];
  let sizeBytes = 0;
  const more = async (): Promise<boolean> => {
    const next = await source.next();
    if (next.done === true) return false;
    waiting.push(next.value);
    sizeBytes += next.value.length;
    return true;
  };
  const read = async (length: number): Promise<Uint8Array> => {
    while (sizeBytes < length) if (!(await more())) throw invalid();
    const taken = new Uint8Array(length);
    let first = 0;
    for (let at = 0; at < length;) {
      const chunk = waiting[first] ?? new Uint8Array();
      const piece = chunk.subarray(0, length - at);
      taken.set(piece, at);
      at += piece.length;
      if (piece.length < chunk.length) waiting[first] = chunk.subarray(piece.length);
      else first += 1;
      piece.fill(0);
    }
    waiting = waiting.slice(first);
    sizeBytes -= length;
    return taken;
  };
  return Object.assign(read, {
    isAtEnd: async () => {
      while (sizeBytes === 0) if (!(await more())) return true;
      return false;
    },
  });
}
