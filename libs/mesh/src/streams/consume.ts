import type { ConsumerDeclaration } from '@keymesh/contracts';
import type { MeshConnection } from '../connection.js';

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
  /** Messages fetched at once. Default 64. */
  readonly batchSize?: number;
  readonly onFailure?: (delivery: Delivery, error: unknown) => void;
}

export interface Consumption {
  /** Finishes the message at hand and stops. */
  stop(): Promise<void>;
}

/**
 * Works through a durable consumer: acknowledges after the handler, tries again with growing delay when it throws, and gives a message
 * up only when the handler throws MALFORMED_MESSAGE. Survives reconnects and server restarts.
 */
export function consume(
  _connection: MeshConnection,
  _consumer: ConsumerDeclaration,
  _handler: (delivery: Delivery) => Promise<void>,
  _options?: ConsumeOptions,
): Consumption {
  throw new Error('being built');
}

/** The same with as many messages as there are, in stream order, at once: for a ledger that commits them together. */
export function consumeBatches(
  _connection: MeshConnection,
  _consumer: ConsumerDeclaration,
  _handler: (deliveries: readonly Delivery[]) => Promise<void>,
  _options?: ConsumeOptions,
): Consumption {
  throw new Error('being built');
}
