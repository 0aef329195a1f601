import { failure } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import { packedSizeBytes, type PackedRecord } from './pack.js';

const SWEEP_MS = 50;

/** A record whose asker waits for it to be durable. */
export interface WaitingRecord extends PackedRecord {
  /** By the clock's `monotonic()`. */
  readonly deadlineAt: number;
  resolve(): void;
  reject(error: Error): void;
}

export interface QueueLimits {
  readonly maxRecords: number;
  readonly maxBytes: number;
}

/** Why a record is not durable; one sentence for all, because the asker can do the same about each: ask again. */
export const notDurable = (reason: 'refused' | 'late' | 'queue-full' | 'closed') =>
  failure('AUDIT_UNAVAILABLE', { details: { reason } });

/** Bounded queue of records, in order. What waits longer than its deadline is refused. */
export interface WaitingRecords {
  /** @returns false when the queue is full. */
  add(record: WaitingRecord): boolean;
  /** Takes the first records out, up to these bounds; at least one if there is any. */
  take(maxRecords: number, maxBytes: number): readonly WaitingRecord[];
  size(): number;
  refuseAll(reason: 'refused' | 'closed'): void;
}

/** @param inFlight records that were taken and still wait for their acknowledgement: they have deadlines too. */
export function makeWaitingRecords(
  limits: QueueLimits,
  clock: Clock,
  inFlight: () => Iterable<WaitingRecord>,
): WaitingRecords {
  let queue: WaitingRecord[] = [];
  let sizeBytes = 0;
  let timer: NodeJS.Timeout | undefined;

  // Deadlines are seconds and acknowledgements milliseconds: one coarse sweep while anything waits, not a timer a record.
  const sweep = (): void => {
    timer = undefined;
    const now = clock.monotonic();
    const isLate = ({ deadlineAt }: WaitingRecord): boolean => now >= deadlineAt;
    let busy = false;
    for (const record of inFlight()) {
      busy = true;
      if (isLate(record)) record.reject(notDurable('late'));
    }
    const late = queue.filter(isLate);
    if (late.length > 0) queue = queue.filter((record) => !isLate(record));
    for (const record of late) {
      sizeBytes -= packedSizeBytes(record);
      record.reject(notDurable('late'));
    }
    if (busy || queue.length > 0) arm();
  };
  const arm = (): void => {
    timer ??= setTimeout(sweep, SWEEP_MS).unref();
  };

  return {
    add(record) {
      const size = packedSizeBytes(record);
      if (queue.length >= limits.maxRecords || sizeBytes + size > limits.maxBytes) return false;
      queue.push(record);
      sizeBytes += size;
      arm();
      return true;
    },
    take(maxRecords, maxBytes) {
      let count = 0;
      let bytes = 0;
      for (const record of queue) {
        const size = packedSizeBytes(record);
        if (count >= maxRecords || (count > 0 && bytes + size > maxBytes)) break;
        count += 1;
        bytes += size;
      }
      sizeBytes -= bytes;
      return queue.splice(0, count);
    },
    size: () => queue.length,
    refuseAll(reason) {
      const refused = queue;
      queue = [];
      sizeBytes = 0;
      for (const record of refused) record.reject(notDurable(reason));
    },
  };
}
