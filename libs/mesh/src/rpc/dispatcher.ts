import type { Acceptor } from '@keymesh/channel';
import type { RpcContract, ServiceName } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Msg } from '@nats-io/nats-core';
import type { Handler, PrincipalView, Served } from './call.js';

export interface DispatcherOptions {
  readonly service: ServiceName;
  readonly acceptor: Acceptor;
  readonly principals: { find(name: string): PrincipalView | undefined };
  /** Principals with the role plain-reply may ask without the channel (embedded mode, loopback only). */
  readonly allowPlainReply: boolean;
  readonly clock: Clock;
  readonly onServed?: (served: Served) => void;
}

/** Answers one message. Never rejects. */
export type Served1 = (msg: Msg) => Promise<void>;

export interface Dispatcher {
  /** Binds an operation to its work. */
  <C extends RpcContract>(contract: C, handler: Handler<C>): (msg: Msg) => Promise<void>;
  /** Answers UNKNOWN_OPERATION, inside the channel where there is one. */
  readonly unknown: (msg: Msg) => Promise<void>;
}

/** The service's end of RPC. */
export function makeDispatcher(_options: DispatcherOptions): Dispatcher {
  throw new Error('being built');
}
