import { failure, MAX_LEAF_BYTES, type AuditRecord, type Beside } from '@keymesh/contracts';
import { utf8 } from '@keymesh/kernel';
import canonicalize from 'canonicalize';

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
  const bytes = utf8(canonicalize(value) ?? '');
  if (bytes.length === 0 || bytes.length > MAX_LEAF_BYTES) {
    throw failure('INTERNAL', { details: { what, sizeBytes: bytes.length } });
  }
  return bytes;
}
