import {
  CONSUMERS,
  failure,
  STREAMS,
  type ConsumerDeclaration,
  type StreamDeclaration,
} from '@keymesh/contracts';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  jetstreamManager,
  JetStreamApiCodes,
  JetStreamApiError,
  PersistMode,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import type { MeshConnection } from '../connection.js';

const API_TIMEOUT_MS = 10_000;

/**
 * Makes or changes every stream and durable consumer to what `contracts` declare. Idempotent; deletes nothing. For the deploy-time
 * identity only: a change can empty a stream, so nobody who runs may make one.
 * @throws UNAVAILABLE when the server refuses or does not answer (details name the stream).
 */
export async function reconcileStreams({ nats }: MeshConnection): Promise<void> {
  const manager = await jetstreamManager(nats, { checkAPI: false, timeout: API_TIMEOUT_MS });
  for (const stream of STREAMS) await named(stream.name, reconcileStream(manager, stream));
  for (const consumer of Object.values<ConsumerDeclaration>(CONSUMERS)) {
    await named(`${consumer.stream}/${consumer.durable}`, reconcileConsumer(manager, consumer));
  }
}

async function named(what: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw failure('UNAVAILABLE', {
      publicMessage: `The NATS server did not take the stream or consumer ${what}.`,
      details: { what, errorCode: error instanceof JetStreamApiError ? error.code : undefined },
      cause: error,
    });
  }
}

async function reconcileStream(manager: JetStreamManager, declaration: StreamDeclaration): Promise<void> {
  const config = streamConfig(declaration);
  const existing = manager.streams.info(declaration.name);
  if (await isThere(existing, JetStreamApiCodes.StreamNotFound)) {
    await manager.streams.update(declaration.name, config);
  } else await manager.streams.add(config);
}

async function reconcileConsumer(manager: JetStreamManager, declaration: ConsumerDeclaration): Promise<void> {
  const { stream, durable } = declaration;
  const config = consumerConfig(declaration);
  const existing = manager.consumers.info(stream, durable);
  if (await isThere(existing, JetStreamApiCodes.ConsumerNotFound)) {
    await manager.consumers.update(stream, durable, config);
  } else await manager.consumers.add(stream, config);
}

async function isThere(info: Promise<unknown>, notFoundCode: number): Promise<boolean> {
  try {
    await info;
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === notFoundCode) return false;
    throw error;
  }
}

const isBucket = (declaration: StreamDeclaration): boolean => declaration.name.startsWith('KV_');

function streamConfig(declaration: StreamDeclaration): Partial<StreamConfig> & { name: string } {
  return {
    name: declaration.name,
    subjects: [...declaration.subjects],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    max_age: declaration.maxAgeNs,
    max_bytes: declaration.maxBytes,
    max_msgs: -1,
    max_msgs_per_subject: declaration.maxMessagesPerSubject ?? -1,
    discard: declaration.discard === 'new' ? DiscardPolicy.New : DiscardPolicy.Old,
    duplicate_window: declaration.duplicateWindowNs,
    deny_delete: declaration.denyDelete,
    deny_purge: declaration.denyDelete,
    allow_direct: isBucket(declaration),
    num_replicas: 1,
    ...(declaration.persistMode === 'async' ? { persist_mode: PersistMode.Async } : {}),
  };
}

function consumerConfig(declaration: ConsumerDeclaration): Partial<ConsumerConfig> {
  return {
    durable_name: declaration.durable,
    ack_policy: declaration.acknowledges === 'up-to' ? AckPolicy.All : AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: nanos(declaration.ackWaitMs),
    max_ack_pending: declaration.maxAckPending,
    // INVARIANT: unlimited. What a consumer gives up is its own decision, never the server's.
    max_deliver: -1,
    ...(declaration.filterSubjects === undefined ? {} : { filter_subjects: [...declaration.filterSubjects] }),
  };
}
