import { lengthPrefixed } from '@keymesh/kernel';

/** Where a value belongs. Ids as they stand in the database (lower-case UUIDs). */
export interface ValueBinding {
  readonly namespaceId: string;
  readonly credentialId: string;
  /** From 1. */
  readonly version: number;
  readonly dekId: string;
}

/** Which key wraps which. */
export interface DekBinding {
  readonly dekId: string;
  readonly kekId: string;
  /** From 1. */
  readonly kekVersion: number;
}

// INVARIANT: each kind has a name of its own in front, so that nothing sealed as one opens as another.
export const bindValue = (binding: ValueBinding): Uint8Array =>
  lengthPrefixed(
    'keymesh/v1/value',
    binding.namespaceId,
    binding.credentialId,
    u64(binding.version),
    binding.dekId,
  );

export const bindDek = (binding: DekBinding): Uint8Array =>
  lengthPrefixed('keymesh/v1/wrapped-dek', binding.dekId, binding.kekId, u64(binding.kekVersion));

export const bindRoot = (context: string): Uint8Array => lengthPrefixed('keymesh/v1/root-wrap', context);

export const bindWrappingKey = (header: Uint8Array, context: string): Uint8Array =>
  lengthPrefixed('keymesh/v1/wrapping-key', header, context);

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
