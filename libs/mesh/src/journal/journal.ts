import { subjects, type AuditRecord, type Beside, type ServiceName } from '@keymesh/contracts';
import type { Clock, SigningKey } from '@keymesh/kernel';
import type { MeshConnection } from '../connection.js';
import { encodeBeside, encodeLeaf } from './leaf.js';
import { makePackSender, type PackOutcome } from './pack-sender.js';
import { makeWaitingRecords, notDurable, type WaitingRecord } from './waiting-records.js';

/** How often an idle instance says that it lives, milliseconds. */
export const JOURNAL_HEARTBEAT_MS = 10_000;
const MAX_RECORDS_PER_PACK = 500;
const MAX_PACK_BYTES = 800 * 1024;
const MAX_QUEUED_RECORDS = 10_000;
const MAX_QUEUED_BYTES = 32 * 2 ** 20;
const RECORD_DEADLINE_MS = 5_000;
const RELAY_DEADLINE_MS = 15_000;
const CLOSE_TIMEOUT_MS = 5_000;
const ACK_TIMEOUT_MS = 2_000;

export interface JournalOptions {
  readonly connection: MeshConnection;
  readonly service: ServiceName;
  /** INVARIANT: fresh for every start of the process; two chains under one name look like a forgery to the ledger. */
  readonly instance: string;
  readonly signingKey: SigningKey;
  readonly clock: Clock;
  /** After each pack: for metrics. */
  readonly onPack?: (pack: PackOutcome) => void;
  readonly heartbeatMs?: number;
  readonly ackTimeoutMs?: number;
  readonly maxQueuedRecords?: number;
}

export interface RecordOptions {
  /** By the clock's `monotonic()`; default 5 s from now. */
  readonly deadlineAt?: number;
}

export interface Journal {
  /**
   * Resolves once the record is durable (fsynced and acknowledged): only then may what it authorises be released.
   * @throws AUDIT_UNAVAILABLE when it is not, or not known to be, in time. Such a record may still appear in the log.
   */
  record(record: AuditRecord, beside?: Beside, options?: RecordOptions): Promise<void>;
  /**
   * The outbox relay's way in: exact bytes (`encodeLeaf`, `encodeBeside`) that are already committed elsewhere. Safe to repeat: the
   * ledger takes the first of an event id. @throws AUDIT_UNAVAILABLE
   */
  publishRaw(leaf: Uint8Array, beside?: Uint8Array): Promise<void>;
  /** Sends what waits and a final pack, for at most 5 s; then refuses everything. Idempotent. */
  close(): Promise<void>;
}

/**
 * The producer's end of the journal: group commit. While one signed pack is on its way, records gather for the next; so the cost of
 * an fsync is shared by all who wait for it. Starts a chain of its own and proves with heartbeats that nothing of it is missing.
 */
export function makeJournal(options: JournalOptions): Journal {
  const { clock } = options;
  const limits = { maxRecords: options.maxQueuedRecords ?? MAX_QUEUED_RECORDS, maxBytes: MAX_QUEUED_BYTES };
  const sender = makePackSender({
    ...options,
    subject: subjects.journal(options.service),
    ackTimeoutMs: options.ackTimeoutMs ?? ACK_TIMEOUT_MS,
    onRefused: () => queue.refuseAll('refused'),
  });
  const queue = makeWaitingRecords(limits, clock, sender.inFlight);
  let closed: Promise<void> | undefined;
  let pumping: Promise<void> | undefined;

  const drain = async (): Promise<void> => {
    while (queue.size() > 0) await sender.send(queue.take(MAX_RECORDS_PER_PACK, MAX_PACK_BYTES));
  };
  const pump = (): void => {
    // setImmediate: whatever arrived in the same read of the socket joins the same pack.
    pumping ??= new Promise<void>((resolve) => setImmediate(resolve)).then(drain).finally(() => {
      pumping = undefined;
      if (queue.size() > 0) pump();
    });
  };
  const heartbeatMs = options.heartbeatMs ?? JOURNAL_HEARTBEAT_MS;
  const beat = async (): Promise<void> => {
    if (pumping !== undefined || clock.monotonic() - sender.lastSentAt() < heartbeatMs) return;
    pumping = sender.send([]).finally(() => {
      pumping = undefined;
      if (queue.size() > 0) pump();
    });
    await pumping;
  };
  const heartbeat = setInterval(() => void beat(), heartbeatMs / 4);

  const enqueue = (leaf: Uint8Array, beside: Uint8Array, deadlineAt: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const record: WaitingRecord = { leaf, beside, deadlineAt, resolve, reject };
      if (closed !== undefined) reject(notDurable('closed'));
      else if (queue.add(record)) pump();
      else reject(notDurable('queue-full'));
    });

  const finish = async (): Promise<void> => {
    clearInterval(heartbeat);
    const late = setTimeout(() => {
      sender.abort();
      queue.refuseAll('closed');
    }, CLOSE_TIMEOUT_MS);
    try {
      while (pumping !== undefined) await pumping;
      await sender.send([], true);
    } finally {
      clearTimeout(late);
      queue.refuseAll('closed');
    }
  };

  return {
    record: async (record, beside, { deadlineAt = clock.monotonic() + RECORD_DEADLINE_MS } = {}) =>
      enqueue(encodeLeaf(record), encodeBeside(beside), deadlineAt),
    publishRaw: (leaf, beside = new Uint8Array()) =>
      enqueue(leaf, beside, clock.monotonic() + RELAY_DEADLINE_MS),
    close: () => (closed ??= finish()),
  };
}
