import { failure, MAX_MESSAGE_BYTES } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';

// Of 900 KiB: what the message says besides its items.
const ENVELOPE_BYTES = 8_192;

/**
 * Parts a list so that each part fits into one request, in order.
 * @throws PAYLOAD_TOO_LARGE when one item alone does not.
 */
export function* pagesOf<Item extends object>(items: Iterable<Item>, maxItems: number): Generator<Item[]> {
  let page: Item[] = [];
  let left = MAX_MESSAGE_BYTES - ENVELOPE_BYTES;
  for (const item of items) {
    const sizeBytes = messageSize(item);
    if (sizeBytes > MAX_MESSAGE_BYTES - ENVELOPE_BYTES) throw failure('PAYLOAD_TOO_LARGE');
    if (page.length === maxItems || sizeBytes > left) {
      yield page;
      page = [];
      left = MAX_MESSAGE_BYTES - ENVELOPE_BYTES;
    }
    page.push(item);
    left -= sizeBytes;
  }
  if (page.length > 0) yield page;
}

/** Bytes that it takes of a message, not less: its JSON, and its secrets beside it. */
export function messageSize(item: object): number {
  let secretBytes = 0;
  const json = JSON.stringify(item, function (this: Record<string, unknown>, key: string, value: unknown) {
    const original = this[key]; // before Secret.toJSON redacted it
    if (original instanceof Secret) secretBytes += original.sizeBytes;
    return value;
  });
  return Buffer.byteLength(json) + 1 + secretBytes;
}
