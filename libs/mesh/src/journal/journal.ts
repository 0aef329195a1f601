import { setTimeout as wait } from 'node:timers/promises';
import { subjects, type AuditRecord, type Beside, type ServiceName } from '@keymesh/contracts';
import type { Clock, SigningKey } from '@keymesh/kernel';
import type { MeshConnection } from '../connection.js';
import { sendTogether } from '../send-together.js';
import { makeUtilization, shouldGather } from './gathering.js';
import { checkPackable, encodeBeside, encodeLeaf } from './leaf.js';
import type { PackedRecord } from './pack.js';
import { makePackSender, type PackOutcome, type PackSender } from './pack-sender.js';
import {
  makeWaitingRecords,
  notDurable,
  type WaitingRecord,
  type WaitingRecords,
} from './waiting-records.js';

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
/** How long a pack may wait for more records ({@link shouldGather}). */
const GATHER_MS = 1;

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
   * ledger takes the first of an event id. @throws AUDIT_UNAVAILABLE; INTERNAL when a part is longer than a pack takes.
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
  const pump = makePump(queue, sender);
  let closed: Promise<void> | undefined;

  const heartbeatMs = options.heartbeatMs ?? JOURNAL_HEARTBEAT_MS;
  const beat = (): void => {
    if (clock.monotonic() - sender.lastSentAt() >= heartbeatMs) pump.sendEmpty();
  };
  const heartbeat = setInterval(beat, heartbeatMs / 4).unref();

  const enqueue = (encode: () => PackedRecord, deadlineAt: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const record: WaitingRecord = { ...encode(), deadlineAt, resolve, reject };
      if (closed !== undefined) reject(notDurable('closed'));
      else if (queue.add(record)) pump.start();
      else reject(notDurable('queue-full'));
    });

  const finish = async (): Promise<void> => {
    clearInterval(heartbeat);
    const late = setTimeout(() => {
      sender.abort();
      queue.refuseAll('closed');
    }, CLOSE_TIMEOUT_MS);
    try {
      await pump.idle();
      await sender.send([], true);
    } finally {
      clearTimeout(late);
      queue.refuseAll('closed');
    }
  };

  return {
    record: (record, beside, { deadlineAt = clock.monotonic() + RECORD_DEADLINE_MS } = {}) =>
      enqueue(() => ({ leaf: encodeLeaf(record), beside: encodeBeside(beside) }), deadlineAt),
    publishRaw: async (leaf, beside = new Uint8Array()) => {
      checkPackable(leaf, beside);
      await enqueue(() => ({ leaf, beside }), clock.monotonic() + RELAY_DEADLINE_MS);
    },
    close: () => (closed ??= finish()),
  };
}

/** Sends packs, one at a time, as long as records wait. */
function makePump(
  queue: WaitingRecords,
  sender: PackSender,
): { start(): void; sendEmpty(): void; idle(): Promise<void> } {
  let running: Promise<void> | undefined;

  // Whatever arrived in the same read of the socket joins the same pack, and the pack leaves with the answers that are ready by then.
  const sendNext = (): Promise<void> =>
    new Promise((resolve) => {
      sendTogether(() => {
        const records = queue.take(MAX_RECORDS_PER_PACK, MAX_PACK_BYTES);
        // Nothing: their time ran out in this very turn.
        resolve(records.length === 0 ? undefined : sender.send(records));
      });
    });
  const utilization = makeUtilization();
  const drain = async (): Promise<void> => {
    let askers = 0;
    while (queue.size() > 0) {
      if (shouldGather(queue.size(), askers, utilization())) await wait(GATHER_MS);
      askers = queue.size();
      await sendNext();
      askers += queue.size();
    }
  };
  const run = (work: () => Promise<void>): void => {
    running ??= work().finally(() => {
      running = undefined;
      if (queue.size() > 0) run(drain);
    });
  };
  return {
    start: () => run(drain),
    sendEmpty: () => run(() => sender.send([])),
    async idle() {
      while (running !== undefined) await running;
    },
  };
}
