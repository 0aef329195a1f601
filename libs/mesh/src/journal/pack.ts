import type { AuditRecord, Beside, ServiceName } from '@keymesh/contracts';
import type { SigningKey } from '@keymesh/kernel';
import type { KeyObject } from 'node:crypto';

/** What stands before the records of a pack. */
export interface PackHeader {
  readonly producer: ServiceName;
  /** Fresh for every start of the process: a chain belongs to one instance. */
  readonly instance: string;
  /** From 1, without gaps. */
  readonly sequence: number;
  /** SHA-256 (hex) of the instance's previous whole pack; 64 zeros for the first. */
  readonly previous: string;
  readonly count: number;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** The last pack of an instance that ended in good order. */
  readonly final?: true;
}

/** A record on its way: the leaf's exact bytes, and readable values beside it (canonical JSON bytes, empty for none). */
export interface PackedRecord {
  readonly leaf: Uint8Array;
  readonly beside: Uint8Array;
}

export interface Pack {
  readonly header: PackHeader;
  readonly records: readonly { readonly leaf: Uint8Array; readonly beside: Beside | undefined }[];
  /** SHA-256 (hex) of the whole pack: the next one's `previous`. */
  readonly hash: string;
}

/** The exact bytes of a leaf: RFC 8785 JSON, at most 65,535 bytes. */
export function encodeLeaf(_record: AuditRecord): Uint8Array {
  throw new Error('being built');
}
export function encodeBeside(_beside: Beside | undefined): Uint8Array {
  throw new Error('being built');
}
export function encodePack(
  _header: Omit<PackHeader, 'count'>,
  _records: readonly PackedRecord[],
  _key: SigningKey,
): Uint8Array {
  throw new Error('being built');
}
/** @throws MALFORMED_MESSAGE */
export function decodePack(_bytes: Uint8Array): Pack {
  throw new Error('being built');
}
export function verifyPack(_bytes: Uint8Array, _publicKey: KeyObject | string): boolean {
  throw new Error('being built');
}
