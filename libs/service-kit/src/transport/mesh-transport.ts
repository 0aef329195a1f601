import type { ConsumerDeclaration, RpcContract, ServiceName } from '@keymesh/contracts';
import {
  consume,
  consumeBatches,
  consumeSharedBatches,
  serveOperations,
  type Call,
  type ConsumeOptions,
  type Consumption,
  type Dispatcher,
  type MeshConnection,
} from '@keymesh/mesh';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { MESH_TRANSPORT } from './rpc.js';

type OperationHandler = (request: unknown, call: Call) => Promise<unknown>;

export interface MeshTransportOptions {
  readonly service: ServiceName;
  readonly connection: MeshConnection;
  readonly dispatcher: Dispatcher;
  /** Served besides what controllers serve: `describeChannel`. */
  readonly builtIn: readonly { readonly contract: RpcContract; readonly handler: OperationHandler }[];
  /** Wraps each handling of consumed messages, for metrics. */
  readonly observeConsumer: (
    consumer: ConsumerDeclaration,
    messages: number,
    work: () => Promise<unknown>,
  ) => Promise<void>;
  /** A message that was not handled and comes again; for the log. */
  readonly onConsumeFailure: (
    consumer: ConsumerDeclaration,
    ...failure: Parameters<NonNullable<ConsumeOptions['onFailure']>>
  ) => void;
}

/** What `@Rpc` and `@Consume` attach to a method. */
interface HandlerExtras {
  readonly contract?: RpcContract;
  /** The operation itself, where Nest need not be on its way. */
  readonly operation?: () => OperationHandler | undefined;
  readonly consumer?: ConsumerDeclaration;
  readonly options?: ConsumeOptions;
  /** Many messages at once: in order for one process, or shared by several without an order. */
  readonly batches?: 'ordered' | 'shared';
}

const CLOSE_MS = 4_000;

/**
 * Nest's transport over plain queue subscriptions: `noun.verb` of the contract decides which dispatcher of `libs/mesh` answers.
 * (The stock NATS transporter runs the handler and never answers a client that does not speak Nest's packet.)
 */
export class MeshTransport extends Server implements CustomTransportStrategy {
  override readonly transportId = MESH_TRANSPORT;
  private readonly running: { stop(): Promise<void> }[] = [];

  constructor(private readonly options: MeshTransportOptions) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    try {
      const handlers = [...this.messageHandlers.values()];
      const { connection, service, dispatcher } = this.options;
      const operations = this.bindOperations(handlers);
      this.running.push(serveOperations({ connection, service, operations, unknown: dispatcher.unknown }));
      this.running.push(...handlers.flatMap((handler) => this.startConsumer(handler) ?? []));
      callback();
    } catch (error) {
      callback(error);
    }
  }

  /** Takes no new work, and waits for what has begun, four seconds at most. */
  async close(): Promise<void> {
    const stopped = Promise.all(this.running.map((work) => work.stop()));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, CLOSE_MS)));
    await Promise.race([stopped, late]);
    clearTimeout(timer);
  }

  private bindOperations(handlers: readonly MessageHandler[]): Map<string, ReturnType<Dispatcher>> {
    const { service, dispatcher, builtIn } = this.options;
    const declared = handlers.flatMap((handler) => {
      const { contract, operation } = extrasOf(handler);
      const throughNest = (request: unknown, call: Call) => settle(handler(request, call));
      return contract === undefined ? [] : [{ contract, handler: operation?.() ?? throughNest }];
    });
    const operations = new Map<string, ReturnType<Dispatcher>>();
    for (const { contract, handler } of [...builtIn, ...declared]) {
      const key = `${contract.noun}.${contract.verb}`;
      if (contract.service !== service)
        throw new Error(`${contract.name} is an operation of ${contract.service}`);
      if (operations.has(key)) throw new Error(`${contract.name} is served twice`);
      operations.set(key, dispatcher(contract, handler));
    }
    return operations;
  }

  private startConsumer(handler: MessageHandler): Consumption | undefined {
    const { consumer, options, batches } = extrasOf(handler);
    if (consumer === undefined) return undefined;
    const { connection, observeConsumer, onConsumeFailure } = this.options;
    const onFailure: NonNullable<ConsumeOptions['onFailure']> = (delivery, error, next) => {
      onConsumeFailure(consumer, delivery, error, next);
      options?.onFailure?.(delivery, error, next);
    };
    const work = (input: unknown, messages: number) =>
      observeConsumer(consumer, messages, () => settle(handler(input)));
    const all = { ...options, onFailure };
    if (batches === undefined) return consume(connection, consumer, (delivery) => work(delivery, 1), all);
    const start = batches === 'ordered' ? consumeBatches : consumeSharedBatches;
    return start(connection, consumer, (deliveries) => work(deliveries, deliveries.length), all);
  }

  /** The connection's events go to its own logger. */
  on(): never {
    throw new Error('the mesh transport has no events');
  }

  unwrap(): never {
    throw new Error('inject CONNECTION instead');
  }
}

const extrasOf = (handler: MessageHandler): HandlerExtras => handler.extras ?? {};

/** What a Nest handler gives: its result, or an Observable of it, or (after the exception filter) one that fails. */
async function settle(result: unknown): Promise<unknown> {
  const settled = await result;
  return isObservable(settled) ? await lastValueFrom(settled, { defaultValue: undefined }) : settled;
}
