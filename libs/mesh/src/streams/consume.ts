import type { ConsumerDeclaration } from '@keymesh/contracts';
import { KeymeshError, SECOND } from '@keymesh/kernel';
import type { MeshConnection } from '../connection.js';
import { translateRequestError } from '../nats-failures.js';
import { pause } from '../pause.js';
import { pull, type Pulled } from './pull.js';

const DEFAULT_BATCH = 64;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 30 * SECOND;
const RESET_TIMEOUT_MS = 5_000;

/** One message of a stream. */
export interface Delivery {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly header: (name: string) => string | undefined;
  /** Position in the stream, from 1. */
  readonly streamSequence: number;
  /** 1 for the first time. */
  readonly deliveryCount: number;
  /** Messages of the stream still to come for this consumer. */
  readonly pending: number;
  /** When the stream stored it, milliseconds since the Unix epoch. */
  readonly storedAt: number;
}

export interface ConsumeOptions {
  /**
   * Strictly in stream order: a failed message is tried again before any later one, also across reconnects and restarts. For one
   * consuming process at a time.
   */
  readonly ordered?: boolean;
  /** Messages pulled at once. Default 64. */
  readonly batchSize?: number;
  /** Each time that the handler threw; `given-up` for a malformed message, which does not come again. */
  readonly onFailure?: (delivery: Delivery, error: unknown, next: 'retry' | 'given-up') => void;
}

export interface Consumption {
  /** Finishes the work at hand and stops. Idempotent. */
  stop(): Promise<void>;
}

/** 250 ms, then twice as long each time, up to 30 s. @param attempt from 1. */
export const retryDelayMs = (attempt: number): number =>
  Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt - 1, 20));

/**
 * Works through a durable consumer, one message at a time: acknowledges after the handler, tries again with growing delay when it
 * throws, and gives a message up only when the handler throws MALFORMED_MESSAGE. Survives reconnects and server restarts. The handler
 * must be idempotent: a lost acknowledgement brings a message again.
 */
export function consume(
  connection: MeshConnection,
  consumer: ConsumerDeclaration,
  handler: (delivery: Delivery) => Promise<void>,
  options: ConsumeOptions = {},
): Consumption {
  return run(connection, consumer, options, async (batch, signal) => {
    let waiting = batch;
    const keepAlive = keepWaiting(() => waiting, consumer);
    try {
      for (const pulled of batch) {
        if (signal.aborted) {
          pulled.nak(0);
          continue;
        }
        await (options.ordered === true ? handleInOrder : handleOnce)(pulled, handler, options, signal);
        waiting = waiting.slice(1);
      }
    } finally {
      keepAlive.stop();
    }
  });
}

/**
 * The same in stream order, with as many messages as there are (up to `batchSize`) at once, for a ledger that commits them together.
 * When the handler throws, the same messages come again; it decides itself what is malformed.
 */
export function consumeBatches(
  connection: MeshConnection,
  consumer: ConsumerDeclaration,
  handler: (deliveries: readonly Delivery[]) => Promise<void>,
  options: Omit<ConsumeOptions, 'ordered'> = {},
): Consumption {
  return run(connection, consumer, { ...options, ordered: true }, async (batch, signal) => {
    const keepAlive = keepWaiting(() => batch, consumer);
    const deliveries = batch.map(deliveryOf);
    try {
      await untilDone(
        () => handler(deliveries),
        signal,
        (error) => {
          if (deliveries[0] !== undefined) options.onFailure?.(deliveries[0], error, 'retry');
        },
      );
      if (!signal.aborted) for (const pulled of batch) pulled.ack();
    } finally {
      keepAlive.stop();
    }
  });
}

type BatchWork = (batch: readonly Pulled[], signal: AbortSignal) => Promise<void>;

function run(
  connection: MeshConnection,
  consumer: ConsumerDeclaration,
  options: ConsumeOptions,
  work: BatchWork,
): Consumption {
  const stopping = new AbortController();
  const { signal } = stopping;
  const ordered = options.ordered === true;
  let lastSequence = 0;
  // INVARIANT: in order means: before the first pull and after anything that could have lost deliveries on their way, the server
  // starts again at the first unacknowledged message. Otherwise later ones would overtake those until their ack wait is over.
  let needsReset = ordered;

  const step = async (): Promise<void> => {
    if (!(await connection.waitConnected(SECOND))) return;
    if (needsReset) await resetToAckFloor(connection, consumer);
    needsReset = false;
    const { messages, complete } = await pull(
      connection,
      consumer,
      options.batchSize ?? DEFAULT_BATCH,
      signal,
    );
    needsReset = ordered && !complete;
    if (!ordered) return work(messages, signal);
    for (const repeat of messages.filter(({ streamSequence }) => streamSequence <= lastSequence))
      repeat.ack();
    const fresh = messages.filter(({ streamSequence }) => streamSequence > lastSequence);
    if (fresh.length === 0) return;
    await work(fresh, signal);
    if (!signal.aborted) lastSequence = fresh.at(-1)?.streamSequence ?? lastSequence;
  };
  const loop = async (): Promise<void> => {
    for (let failures = 0; !signal.aborted && !connection.nats.isClosed();) {
      try {
        await step();
        failures = 0;
      } catch {
        // The consumer is not there (yet), or the server does not answer.
        failures += 1;
        needsReset = ordered;
        await pause(retryDelayMs(failures), signal);
      }
    }
  };
  const ended = loop();
  return {
    stop() {
      stopping.abort();
      return ended;
    },
  };
}

async function resetToAckFloor(
  { nats }: MeshConnection,
  { stream, durable }: ConsumerDeclaration,
): Promise<void> {
  const subject = `$JS.API.CONSUMER.RESET.${stream}.${durable}`;
  const reply = await nats.request(subject, '', { timeout: RESET_TIMEOUT_MS }).catch((error: unknown) => {
    throw translateRequestError(error);
  });
  if (reply.json<{ error?: unknown }>().error !== undefined) {
    throw new KeymeshError('UNAVAILABLE', { details: { consumer: durable } });
  }
}

/** Once; when it fails the server brings it again, after others. */
async function handleOnce(
  pulled: Pulled,
  handler: (delivery: Delivery) => Promise<void>,
  { onFailure }: ConsumeOptions,
): Promise<void> {
  const delivery = deliveryOf(pulled);
  try {
    await handler(delivery);
    pulled.ack();
  } catch (error) {
    if (isMalformed(error)) {
      onFailure?.(delivery, error, 'given-up');
      pulled.term();
    } else {
      onFailure?.(delivery, error, 'retry');
      pulled.nak(retryDelayMs(pulled.deliveryCount));
    }
  }
}

/** Until it is done; nothing overtakes it. */
async function handleInOrder(
  pulled: Pulled,
  handler: (delivery: Delivery) => Promise<void>,
  { onFailure }: ConsumeOptions,
  signal: AbortSignal,
): Promise<void> {
  const delivery = deliveryOf(pulled);
  let givenUp = false;
  const attempt = async (): Promise<void> => {
    try {
      await handler(delivery);
    } catch (error) {
      if (!isMalformed(error)) throw error;
      givenUp = true;
      onFailure?.(delivery, error, 'given-up');
    }
  };
  const done = await untilDone(attempt, signal, (error) => onFailure?.(delivery, error, 'retry'));
  if (!done) return;
  if (givenUp) pulled.term();
  else pulled.ack();
}

/** @returns false when it was stopped before the work succeeded. */
async function untilDone(
  work: () => Promise<void>,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<boolean> {
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      await work();
      return true;
    } catch (error) {
      onError(error);
      await pause(retryDelayMs(attempt), signal);
    }
  }
  return false;
}

/** Asks for more time, while a batch is worked on, for the messages that still wait in it. */
function keepWaiting(waiting: () => readonly Pulled[], { ackWaitMs }: ConsumerDeclaration): { stop(): void } {
  const timer = setInterval(() => {
    for (const pulled of waiting()) pulled.working();
  }, ackWaitMs / 3);
  return { stop: () => clearInterval(timer) };
}

const isMalformed = (error: unknown): boolean => KeymeshError.is(error) && error.code === 'MALFORMED_MESSAGE';

const deliveryOf = ({ msg, streamSequence, deliveryCount, pending, storedAt }: Pulled): Delivery => ({
  subject: msg.subject,
  data: msg.data,
  header: (name) => msg.headers?.get(name) || undefined,
  streamSequence,
  deliveryCount,
  pending,
  storedAt,
});
