/** What a channel message is bound to besides its key. */
export interface MessageBinding {
  readonly direction: 'request' | 'reply';
  readonly subject: string;
  readonly requestId: string;
  /** Sequence of a request, counter of a reply. */
  readonly sequence: number;
  /** The request's relative deadline, milliseconds; a reply has none. */
  readonly deadlineMs: number | undefined;
  /** `Keymesh-Parts` of the frame inside. */
  readonly partsHeader: string;
}

const FORMAT = 'keymesh/v1/channel';
const PREFIX_BYTES = 4;
const NUMBER_BYTES = 8;

/**
 * The AAD of a message: `lengthPrefixed(format, direction, subject, request id, sequence, deadline, parts header)`, numbers as
 * 8 bytes big endian, a reply's deadline as an empty field. Written in one pass because it runs for every message;
 * a spec holds it equal to the kernel's `lengthPrefixed`.
 */
export function associatedData(binding: MessageBinding): Uint8Array {
  const texts = [FORMAT, binding.direction, binding.subject, binding.requestId];
  const deadlineBytes = binding.deadlineMs === undefined ? 0 : NUMBER_BYTES;
  let size = 7 * PREFIX_BYTES + NUMBER_BYTES + deadlineBytes + Buffer.byteLength(binding.partsHeader);
  for (const text of texts) size += Buffer.byteLength(text);
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const text of texts) at = writeText(out, text, at);
  at = writeNumber(out, binding.sequence, at);
  at = binding.deadlineMs === undefined ? out.writeUInt32BE(0, at) : writeNumber(out, binding.deadlineMs, at);
  writeText(out, binding.partsHeader, at);
  return out;
}

function writeText(out: Buffer, text: string, at: number): number {
  const length = out.write(text, at + PREFIX_BYTES);
  return out.writeUInt32BE(length, at) + length;
}

function writeNumber(out: Buffer, value: number, at: number): number {
  return out.writeBigUInt64BE(BigInt(value), out.writeUInt32BE(NUMBER_BYTES, at));
}
