import { concat, fromUtf8, utf8 } from '@keymesh/kernel';
import { notWrappedHere } from './kms-failures.js';

// How a key wrapped by the root stands in the database (ADR 0007):
//   "keymesh/wrap" ‖ u8 version = 1 ‖ u8 mode (1 any-of, 2 all-of) ‖ u8 count ‖ count × entry ‖ box
//   entry = u8 size ‖ provider ‖ u16 size ‖ key id ‖ u16 size ‖ what that KMS wrapped
// Everything before the box is its header, which the box authenticates.
const MAGIC = utf8('keymesh/wrap');
const VERSION = 1;
const MODES = { 'any-of': 1, 'all-of': 2 } as const;
const FIXED_BYTES = MAGIC.length + 3;
const MAX_ENTRIES = 8;

/** Whether one of the KMS that wrapped is enough, or each of them is needed. */
export type WrapMode = keyof typeof MODES;

/** What one KMS wrapped: the wrapping key (any-of), or its part of it (all-of). */
export interface WrapEntry {
  readonly provider: string;
  readonly keyId: string;
  readonly wrapped: Uint8Array;
}

export interface RootEnvelope {
  readonly mode: WrapMode;
  readonly entries: readonly WrapEntry[];
  /** The bytes that the box authenticates. */
  readonly header: Uint8Array;
  readonly box: Uint8Array;
}

/** The envelope up to its box. */
export const encodeHeader = (mode: WrapMode, entries: readonly WrapEntry[]): Uint8Array =>
  concat(
    MAGIC,
    Uint8Array.of(VERSION, MODES[mode], entries.length),
    ...entries.flatMap(({ provider, keyId, wrapped }) => [
      Uint8Array.of(provider.length),
      utf8(provider),
      u16(utf8(keyId).length),
      utf8(keyId),
      u16(wrapped.length),
      wrapped,
    ]),
  );

/**
 * Reads an envelope. Nothing of it is to be believed until the box has opened.
 * @returns undefined for what has none: one KMS wrapped it alone, before there were envelopes.
 * @throws DECRYPTION_FAILED for one that is cut, or of a version that is not known.
 */
export function readEnvelope(wrapped: Uint8Array): RootEnvelope | undefined {
  if (!MAGIC.every((byte, at) => wrapped[at] === byte)) return undefined;
  const [version, modeByte, count = 0] = wrapped.subarray(MAGIC.length, FIXED_BYTES);
  const mode = (Object.keys(MODES) as WrapMode[]).find((name) => MODES[name] === modeByte);
  if (version !== VERSION || mode === undefined || count < 1 || count > MAX_ENTRIES) throw notWrappedHere();
  let at = FIXED_BYTES;
  const take = (size: number): Uint8Array => {
    if (at + size > wrapped.length) throw notWrappedHere();
    return wrapped.slice(at, (at += size));
  };
  const takeSized = (): Uint8Array => take(Buffer.from(take(2)).readUInt16BE());
  const entries = Array.from({ length: count }, () => ({
    provider: textOf(take(take(1)[0] ?? 0)),
    keyId: textOf(takeSized()),
    wrapped: takeSized(),
  }));
  return { mode, entries, header: wrapped.slice(0, at), box: wrapped.slice(at) };
}

function u16(size: number): Uint8Array {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(size);
  return bytes;
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    throw notWrappedHere();
  }
}
