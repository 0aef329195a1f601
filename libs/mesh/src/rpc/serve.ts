import type { ServiceName } from '@keymesh/contracts';
import type { Msg } from '@nats-io/nats-core';
import type { MeshConnection } from '../connection.js';

export interface ServeOptions {
  readonly connection: MeshConnection;
  readonly service: ServiceName;
  /** By `noun.verb`. */
  readonly operations: ReadonlyMap<string, (msg: Msg) => Promise<void>>;
  readonly unknown: (msg: Msg) => Promise<void>;
  /** Requests worked on at once; more are answered UNAVAILABLE. Default 2,000. */
  readonly maxInFlight?: number;
}

/** Subscribes a service's operations in its queue group. `stop` takes no more requests and waits for those under way. */
export function serveOperations(_options: ServeOptions): { stop(): Promise<void> } {
  throw new Error('being built');
}
