import type { ConsumerDeclaration } from '@keymesh/contracts';
import type { ConsumeOptions, Delivery } from '@keymesh/mesh';
import { meshHandler, type MethodOf } from './rpc.js';

/**
 * Handles a durable JetStream consumer by a controller's method `(delivery) => Promise<void>`: acknowledged when it resolves, tried again with
 * growing delay when it throws. The loop begins when the service listens and ends before the application closes.
 *
 * ```ts
 * @Consume(CONSUMERS.detector)
 * score(delivery: Delivery) { return this.operations.scoreEvent(delivery); }
 * ```
 */
export const Consume = (
  consumer: ConsumerDeclaration,
  options: ConsumeOptions = {},
): MethodOf<(delivery: Delivery) => Promise<void>> => meshHandler(patternOf(consumer), { consumer, options });

/** The same for a method that takes as many messages as there are, in stream order, at once. */
export const ConsumeBatches = (
  consumer: ConsumerDeclaration,
  options: ConsumeOptions = {},
): MethodOf<(deliveries: readonly Delivery[]) => Promise<void>> =>
  meshHandler(patternOf(consumer), { consumer, options, batches: 'ordered' });

/** Batches without an order, for a consumer that several instances share. */
export const ConsumeSharedBatches = (
  consumer: ConsumerDeclaration,
  options: ConsumeOptions = {},
): MethodOf<(deliveries: readonly Delivery[]) => Promise<void>> =>
  meshHandler(patternOf(consumer), { consumer, options, batches: 'shared' });

const patternOf = ({ stream, durable }: ConsumerDeclaration): string => `consumer.${stream}.${durable}`;
