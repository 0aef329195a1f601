import { subjects, HEADERS } from '@keymesh/contracts';
import { toHex, utf8, type Clock } from '@keymesh/kernel';
import type { DataSource } from 'typeorm';
import { readTraceparent } from '../domain/leaf.js';
import { readRecord, toOcsfEvent } from '../domain/ocsf-event.js';
import { findFirstIndexSince, readEntries, type LedgerEntry } from '../store/entries.js';
import { readFeedPosition, saveFeedPosition, type FeedPosition } from '../store/feed-position.js';
import { spanOfRecord } from '../telemetry/record-spans.js';

/** One event on its way to the stream AUDIT. */
export interface FeedMessage {
  readonly subject: string;
  /** Leaf hash, hex: the stream drops repeats of it. */
  readonly messageId: string;
  readonly eventId: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** The stream AUDIT as the feed sees it. */
export interface FeedStream {
  /** The last message of the stream and its log index; `logIndex` undefined when the stream holds none. */
  readEnd(): Promise<{ readonly streamSequence: number; readonly logIndex: number | undefined }>;
  /**
   * Appends messages in order, the first right after stream sequence `after`, and resolves when all are stored.
   * @throws VERSION_CONFLICT when the stream's end is another; UNAVAILABLE.
   */
  append(messages: readonly FeedMessage[], after: number): Promise<{ readonly streamSequence: number }>;
}

export interface FeedOptions {
  readonly dataSource: DataSource;
  readonly stream: FeedStream;
  readonly logOrigin: string;
  readonly clock: Clock;
  /** How long AUDIT keeps its messages, milliseconds: a stream that was made anew is filled from there. */
  readonly retentionMs: number;
}

export interface Feed {
  /**
   * Publishes the next events, if there are any. @returns how many. Resumable: it goes on after the last message of the stream.
   * @throws UNAVAILABLE, STORE_UNAVAILABLE; then call it again.
   */
  publishNext(): Promise<number>;
}

const BATCH = 256;

/** Carries the ledger's leaves, in index order, to the audit feed. For one instance at a time. */
export function makeFeed(options: FeedOptions): Feed {
  const { dataSource, stream, logOrigin } = options;
  let position: FeedPosition | undefined;
  return {
    async publishNext() {
      try {
        const from = position ?? (await findPosition(options));
        const entries = await readEntries(dataSource.manager, from.nextIndex, BATCH);
        position = from;
        if (entries.length === 0) return 0;
        const messages = entries.map((entry) => toMessage(entry, logOrigin));
        const { streamSequence } = await stream.append(
          messages.map(({ message }) => message),
          from.streamSequence,
        );
        for (const { end } of messages) end();
        position = { nextIndex: from.nextIndex + entries.length, streamSequence };
        await saveFeedPosition(dataSource.manager, position);
        return entries.length;
      } catch (error) {
        // Some of them may be stored: the stream knows.
        position = undefined;
        throw error;
      }
    },
  };
}

async function findPosition({ dataSource, stream, clock, retentionMs }: FeedOptions): Promise<FeedPosition> {
  const { streamSequence, logIndex } = await stream.readEnd();
  if (logIndex !== undefined) return { nextIndex: logIndex + 1, streamSequence };
  const saved = await readFeedPosition(dataSource.manager);
  // All messages have expired since the last event, or the stream is new and gets what it would have kept.
  if (streamSequence > 0 && streamSequence === saved.streamSequence) return saved;
  const first = await findFirstIndexSince(dataSource.manager, clock.now() - retentionMs);
  return { nextIndex: first ?? saved.nextIndex, streamSequence };
}

function toMessage(entry: LedgerEntry, logOrigin: string): { message: FeedMessage; end: () => void } {
  const recorded = readRecord({ index: entry.index, leaf: entry.leaf, leafHash: toHex(entry.leafHash) });
  const { leafHash, record } = recorded;
  const [noun = '', past = ''] = record.type.split('.');
  const span = spanOfRecord('publishEvent', readTraceparent(record.traceparent));
  return {
    message: {
      subject: subjects.audit(record.service, noun, past),
      messageId: leafHash,
      eventId: record.id,
      body: utf8(JSON.stringify(toOcsfEvent(recorded, logOrigin))),
      headers: {
        [HEADERS.logIndex]: String(entry.index),
        [HEADERS.leafHash]: leafHash,
        [HEADERS.eventId]: record.id,
        ...(span.traceparent === undefined ? {} : { [HEADERS.traceparent]: span.traceparent }),
      },
    },
    end: span.end,
  };
}
