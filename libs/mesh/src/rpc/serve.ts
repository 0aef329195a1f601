import {
  parseRpcSubject,
  subjects,
  toPublicError,
  failure,
  type RpcContract,
  type ServiceName,
} from '@keymesh/contracts';
import type { Msg } from '@nats-io/nats-core';
import type { MeshConnection } from '../connection.js';
import { pause } from '../pause.js';
import type { ServedOperation } from './dispatcher.js';
import { isOwnReply, respondPlainError } from './wire.js';

const DEFAULT_MAX_IN_FLIGHT = 2_000;
const STOP_TIMEOUT_MS = 10_000;

/** Under which an operation stands in {@link ServeOptions.operations}. */
export const operationKey = ({ noun, verb }: Pick<RpcContract, 'noun' | 'verb'>): string => `${noun}.${verb}`;

export interface ServeOptions {
  readonly connection: MeshConnection;
  readonly service: ServiceName;
  /** By {@link operationKey}. */
  readonly operations: ReadonlyMap<string, ServedOperation>;
  /** `dispatcher.unknown` */
  readonly unknown: ServedOperation;
  /** Requests worked on at once; more are answered UNAVAILABLE. Default 2,000. */
  readonly maxInFlight?: number;
}

/** Subscribes a service's operations in its queue group. `stop` takes no more requests and waits (10 s) for those under way. */
export function serveOperations(options: ServeOptions): { stop(): Promise<void> } {
  const { connection, service, operations, unknown } = options;
  const maxInFlight = options.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT;
  let inFlight = 0;
  let onIdle = (): void => undefined;

  const serve = (msg: Msg): void => {
    const asked = parseRpcSubject(msg.subject);
    if (asked === undefined) return;
    if (inFlight >= maxInFlight) {
      refuse(msg, asked.principal);
      return;
    }
    inFlight += 1;
    const operation = operations.get(operationKey(asked)) ?? unknown;
    void operation(msg).finally(() => {
      inFlight -= 1;
      if (inFlight === 0) onIdle();
    });
  };
  const subscription = connection.nats.subscribe(subjects.rpcOf(service), {
    queue: service,
    callback: (error, msg) => {
      if (error === null) serve(msg);
    },
  });
  return {
    async stop() {
      if (!subscription.isClosed()) await subscription.drain();
      if (inFlight === 0) return;
      const idle = new AbortController();
      onIdle = () => idle.abort();
      await pause(STOP_TIMEOUT_MS, idle.signal);
    },
  };
}

function refuse(msg: Msg, principal: string): void {
  if (isOwnReply(msg.reply, principal)) respondPlainError(msg, toPublicError(failure('UNAVAILABLE')));
}
