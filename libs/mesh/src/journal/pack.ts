import { createHash, type KeyObject } from 'node:crypto';
import { failure, SERVICES, type Beside, type ServiceName } from '@keymesh/contracts';
import { concat, fromUtf8, signFor, utf8, verifyFor, type SigningKey } from '@keymesh/kernel';
import canonicalize from 'canonicalize';
import { z } from 'zod';

// The frozen format of a journal message (ADR 0004, golden file in test/golden):
//   "KMJ1" · u16 header length · header (RFC 8785 JSON) · count × (u16 leaf length · leaf · u16 beside length · beside JSON) ·
//   64-byte Ed25519 signature over all before it. Numbers are big endian.
const MAGIC = utf8('KMJ1');
const SIGNATURE_BYTES = 64;
const LENGTH_BYTES = 2;

/** `previous` of an instance's first pack. */
export const NO_PREVIOUS = '0'.repeat(64);

/** What stands before the records of a pack. */
export interface PackHeader {
  readonly producer: ServiceName;
  /** Fresh for every start of the process: a chain belongs to one instance. */
  readonly instance: string;
  /** From 1, without gaps. */
  readonly sequence: number;
  /** SHA-256 (hex) of the instance's previous whole pack; 64 zeros for the first. */
  readonly previous: string;
  /** Records in the pack; 0 is a heartbeat. */
  readonly count: number;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** The last pack of an instance that ended in good order. */
  readonly final?: true | undefined;
}

/** A record on its way: the leaf's exact bytes, and readable values beside it (canonical JSON bytes, empty for none). */
export interface PackedRecord {
  readonly leaf: Uint8Array;
  readonly beside: Uint8Array;
}

export interface Pack {
  readonly header: PackHeader;
  /** The leaves are views into the message. */
  readonly records: readonly { readonly leaf: Uint8Array; readonly beside: Beside | undefined }[];
  /** SHA-256 (hex) of the whole pack: the next one's `previous`. */
  readonly hash: string;
}

const headerSchema = z.strictObject({
  producer: z.enum(SERVICES),
  instance: z.string().min(1).max(128),
  sequence: z.int().min(1),
  previous: z.string().regex(/^[0-9a-f]{64}$/),
  count: z.int().min(0),
  createdAt: z.iso.datetime(),
  final: z.literal(true).optional(),
});
const besideSchema = z.record(z.string(), z.string());

/** Bytes that a record takes in a pack. */
export const packedSizeBytes = ({ leaf, beside }: PackedRecord): number =>
  leaf.length + beside.length + 2 * LENGTH_BYTES;

/** SHA-256 (hex) of a whole pack, signature included. */
export const packHash = (pack: Uint8Array): string => createHash('sha256').update(pack).digest('hex');

/** Writes and signs a pack. Deterministic. @param records each leaf and beside at most 65,535 bytes. */
export function encodePack(
  header: Omit<PackHeader, 'count'>,
  records: readonly PackedRecord[],
  signingKey: SigningKey,
): Uint8Array {
  const json = utf8(canonicalize({ ...header, count: records.length }) ?? '');
  const sizeBytes = records.reduce((sum, record) => sum + packedSizeBytes(record), 0);
  const body = new Uint8Array(MAGIC.length + LENGTH_BYTES + json.length + sizeBytes);
  const view = new DataView(body.buffer);
  let at = 0;
  const put = (bytes: Uint8Array): void => {
    body.set(bytes, at);
    at += bytes.length;
  };
  const putSized = (bytes: Uint8Array): void => {
    view.setUint16(at, bytes.length);
    at += LENGTH_BYTES;
    put(bytes);
  };
  put(MAGIC);
  putSized(json);
  for (const { leaf, beside } of records) {
    putSized(leaf);
    putSized(beside);
  }
  return concat(body, signFor('keymesh/v1/journal-pack', body, signingKey));
}

/** @returns whether the pack is signed by this key (its producer's, from the policy bundle). Never throws. */
export function verifyPack(pack: Uint8Array, publicKey: KeyObject | string): boolean {
  if (pack.length <= SIGNATURE_BYTES) return false;
  const end = pack.length - SIGNATURE_BYTES;
  return verifyFor('keymesh/v1/journal-pack', pack.subarray(0, end), pack.subarray(end), publicKey);
}

/**
 * Reads a pack. INVARIANT: says nothing about who made it; {@link verifyPack} does.
 * @throws MALFORMED_MESSAGE for anything that `encodePack` does not write.
 */
export function decodePack(pack: Uint8Array): Pack {
  const end = pack.length - SIGNATURE_BYTES;
  const view = new DataView(pack.buffer, pack.byteOffset, pack.byteLength);
  let at = MAGIC.length;
  const take = (): Uint8Array => {
    if (at + LENGTH_BYTES > end) throw malformed();
    const start = at + LENGTH_BYTES;
    at = start + view.getUint16(at);
    if (at > end) throw malformed();
    return pack.subarray(start, at);
  };
  if (end < MAGIC.length || Buffer.compare(pack.subarray(0, MAGIC.length), MAGIC) !== 0) throw malformed();
  const header = readHeader(take());
  const records = Array.from({ length: Math.min(header.count, end) }, () => {
    const leaf = take();
    return { leaf, beside: readBeside(take()) };
  });
  if (at !== end) throw malformed();
  return { header, records, hash: packHash(pack) };
}

function readHeader(bytes: Uint8Array): PackHeader {
  const parsed = headerSchema.safeParse(parseJson(bytes));
  // INVARIANT: one header has one text.
  if (!parsed.success || canonicalize(parsed.data) !== fromUtf8(bytes)) throw malformed();
  return parsed.data;
}

function readBeside(bytes: Uint8Array): Beside | undefined {
  if (bytes.length === 0) return undefined;
  const parsed = besideSchema.safeParse(parseJson(bytes));
  if (!parsed.success) throw malformed();
  return parsed.data;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    throw malformed();
  }
}

const malformed = () => failure('MALFORMED_MESSAGE', { publicMessage: 'The journal message is not a pack.' });
