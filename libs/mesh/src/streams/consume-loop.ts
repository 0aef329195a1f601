import type { ConsumerDeclaration } from '@keymesh/contracts';
import { KeymeshError, SECOND } from '@keymesh/kernel';
import type { MeshConnection } from '../connection.js';
import { translateRequestError } from '../nats-failures.js';
import { pause } from '../pause.js';
import { pull, type Pulled } from './pull.js';

const DEFAULT_BATCH = 64;
const RESET_TIMEOUT_MS = 5_000;
const RETRY_MS = 500;

export interface LoopOptions {
  readonly ordered?: boolean;
  readonly batchSize?: number;
  /**
   * Milliseconds between two batches that are not full. A steady trickle is then worked on together: one transaction for all of it
   * instead of one a message. The first message after a pause is not kept waiting. Default 0.
   */
  readonly paceMs?: number;
}

type BatchWork = (batch: readonly Pulled[], signal: AbortSignal) => Promise<void>;

/** Pulls and works, batch by batch, until it is stopped. `work` settles every message of its batch and does not throw. */
export function runConsumer(
  connection: MeshConnection,
  consumer: ConsumerDeclaration,
  options: LoopOptions,
  work: BatchWork,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const ordered = options.ordered === true;
  let lastSequence = 0;
  // INVARIANT: in order means: before the first pull and after anything that could have lost deliveries on their way, the server
  // starts again at the first unacknowledged message. Otherwise later ones would overtake those until their ack wait is over.
  let needsReset = ordered;
  const isStopped = (): boolean => signal.aborted;
  const batchSize = options.batchSize ?? DEFAULT_BATCH;
  let nextBatchAt = 0;
  /** A full batch says that more is waiting: no rest then. */
  const rest = async (): Promise<void> => {
    const waitMs = nextBatchAt - performance.now();
    if (waitMs > 0) await pause(waitMs, signal);
  };

  const step = async (): Promise<void> => {
    if (!(await connection.waitConnected(SECOND))) return;
    if (needsReset) await resetToAckFloor(connection, consumer);
    needsReset = false;
    await rest();
    const { messages, complete } = await pull(connection, consumer, batchSize, signal);
    nextBatchAt = messages.length < batchSize ? performance.now() + (options.paceMs ?? 0) : 0;
    needsReset = ordered && !complete;
    if (!ordered) return work(messages, signal);
    for (const repeat of messages.filter(({ streamSequence }) => streamSequence <= lastSequence))
      repeat.ack();
    const fresh = messages.filter(({ streamSequence }) => streamSequence > lastSequence);
    if (fresh.length === 0) return;
    await work(fresh, signal);
    if (!isStopped()) lastSequence = fresh.at(-1)?.streamSequence ?? lastSequence;
  };
  const loop = async (): Promise<void> => {
    while (!isStopped() && !connection.nats.isClosed()) {
      try {
        await step();
      } catch {
        // The consumer is not there (yet), or the server does not answer.
        needsReset = ordered;
        await pause(RETRY_MS, signal);
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
