import { failure, MAX_LEAF_BYTES, type AuditRecord, type Beside } from '@keymesh/contracts';
import { canonicalJson } from './canonical-json.js';

/**
 * The exact bytes of a leaf: RFC 8785 JSON, at most 65,535 bytes, no newline.
 * @throws INTERNAL when the record is longer or no JSON: a fault of the producer, not of the asker.
 */
export const encodeLeaf = (record: AuditRecord): Uint8Array => encode(record, 'leaf');

const NONE = new Uint8Array();

/** Readable values beside a leaf as canonical JSON, at most 65,535 bytes; empty for none. @throws INTERNAL when longer. */
export const encodeBeside = (beside: Beside | undefined): Uint8Array =>
  beside === undefined || Object.keys(beside).length === 0 ? NONE : encode(beside, 'beside');

function encode(value: unknown, what: string): Uint8Array {
  // Of node's pool: an encoder of texts makes memory of its own each time, at four times the cost.
  const bytes = Buffer.from(canonicalJson(value));
  checkSize(bytes, what, 1);
  return bytes;
}

/** @throws INTERNAL unless these bytes fit into a pack: a leaf of 1 to 65,535 bytes, and at most as much beside it. */
export function checkPackable(leaf: Uint8Array, beside: Uint8Array): void {
  checkSize(leaf, 'leaf', 1);
  checkSize(beside, 'beside', 0);
}

function checkSize({ length }: Uint8Array, what: string, minimum: number): void {
  if (length < minimum || length > MAX_LEAF_BYTES)
    throw failure('INTERNAL', { details: { what, sizeBytes: length } });
}
