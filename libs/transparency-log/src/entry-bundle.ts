import { KeymeshError, concat } from '@keymesh/kernel';

// SOURCE: C2SP tlog-tiles, "Log entries": each entry stands after its length, two bytes big endian.
const LENGTH_BYTES = 2;
/** The longest entry that a bundle can hold. */
export const MAX_ENTRY_BYTES = 65_535;

/** Writes a bundle of at most 256 entries. @throws BAD_REQUEST for an entry over 65,535 bytes. */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  return concat(
    ...entries.flatMap((entry) => {
      if (entry.length > MAX_ENTRY_BYTES) throw new KeymeshError('BAD_REQUEST');
      return [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry];
    }),
  );
}

/** @returns the entries, or undefined when the lengths do not add up. */
export function decodeEntryBundle(bundle: Uint8Array): Uint8Array[] | undefined {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bundle.length;) {
    const [high, low] = bundle.subarray(at, at + LENGTH_BYTES);
    if (high === undefined || low === undefined) return undefined;
    const end = at + LENGTH_BYTES + high * 256 + low;
    if (end > bundle.length) return undefined;
    entries.push(bundle.slice(at + LENGTH_BYTES, end));
    at = end;
  }
  return entries;
}
