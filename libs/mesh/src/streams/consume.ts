import type { ConsumerDeclaration } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { MeshConnection } from '../connection.js';
import { runConsumer } from './consume-loop.js';
import type { Pulled } from './pull.js';
import { retryDelayMs, untilDone } from './retry.js';

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
  /** Milliseconds between two batches that are not full, so that a steady trickle is worked on together. Default 0. */
  readonly paceMs?: number;
  /** Each time that the handler threw; `given-up` for a malformed message, which does not come again. */
  readonly onFailure?: (delivery: Delivery, error: unknown, next: 'retry' | 'given-up') => void;
}

export interface Consumption {
  /** Finishes the work at hand and stops. Idempotent. */
  stop(): Promise<void>;
}

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
  return runConsumer(connection, consumer, options, async (batch, signal) => {
    let waiting = batch;
    const keepAlive = keepWaiting(() => waiting, consumer, signal);
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
  return runConsumer(connection, consumer, { ...options, ordered: true }, async (batch, signal) => {
    const keepAlive = keepWaiting(() => batch, consumer, signal);
    const deliveries = batch.map(deliveryOf);
    try {
      const done = await untilDone(
        () => handler(deliveries),
        signal,
        (error) => {
          if (deliveries[0] !== undefined) options.onFailure?.(deliveries[0], error, 'retry');
        },
      );
      if (done) acknowledge(batch, consumer);
    } finally {
      keepAlive.stop();
    }
  });
}

/**
 * Batches without an order, for a consumer that several processes share: when the handler throws, the batch comes again, to any of them.
 * The handler decides itself what is malformed.
 */
export function consumeSharedBatches(
  connection: MeshConnection,
  consumer: ConsumerDeclaration,
  handler: (deliveries: readonly Delivery[]) => Promise<void>,
  options: Omit<ConsumeOptions, 'ordered'> = {},
): Consumption {
  return runConsumer(connection, consumer, options, async (batch, signal) => {
    if (batch.length === 0) return;
    const keepAlive = keepWaiting(() => batch, consumer, signal);
    const deliveries = batch.map(deliveryOf);
    try {
      await handler(deliveries);
      for (const pulled of batch) pulled.ack();
    } catch (error) {
      if (deliveries[0] !== undefined) options.onFailure?.(deliveries[0], error, 'retry');
      for (const pulled of batch) pulled.nak(retryDelayMs(pulled.deliveryCount));
    } finally {
      keepAlive.stop();
    }
  });
}

/** Where the consumer acknowledges up to a message, the last one speaks for all. */
function acknowledge(batch: readonly Pulled[], consumer: ConsumerDeclaration): void {
  for (const pulled of consumer.acknowledges === 'up-to' ? batch.slice(-1) : batch) pulled.ack();
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
  let settle = (): void => pulled.ack();
  const attempt = async (): Promise<void> => {
    try {
      await handler(delivery);
    } catch (error) {
      if (!isMalformed(error)) throw error;
      settle = () => pulled.term();
      onFailure?.(delivery, error, 'given-up');
    }
  };
  const done = await untilDone(attempt, signal, (error) => onFailure?.(delivery, error, 'retry'));
  if (done) settle();
}

/** Asks for more time, while a batch is worked on, for the messages that still wait in it. */
function keepWaiting(
  waiting: () => readonly Pulled[],
  { ackWaitMs }: ConsumerDeclaration,
  signal: AbortSignal,
): { stop(): void } {
  const timer = setInterval(() => {
    if (signal.aborted) stop();
    else for (const pulled of waiting()) pulled.working();
  }, ackWaitMs / 3);
  const stop = (): void => {
    clearInterval(timer);
    signal.removeEventListener('abort', stop);
  };
  signal.addEventListener('abort', stop);
  return { stop };
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
