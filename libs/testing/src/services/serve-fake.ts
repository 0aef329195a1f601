import { describeChannel, type RpcContract, type ServiceName } from '@keymesh/contracts';
import { systemClock } from '@keymesh/kernel';
import {
  makeDispatcher,
  operationKey,
  serveOperations,
  type Handler,
  type ServedOperation,
} from '@keymesh/mesh';
import type { TestMesh } from '../nats/test-mesh.js';

/** One operation of a fake service; made by {@link serves}, which ties the handler's type to the contract's. */
export interface FakeOperation {
  readonly contract: RpcContract;
  readonly handler: Handler<RpcContract>;
}

/** `serves(lockPrincipal, (request, call) => …)` */
export const serves = <C extends RpcContract>(contract: C, handler: Handler<C>): FakeOperation => ({
  contract,
  handler: handler,
});

/**
 * Stands in for a service in another service's spec: its contracts, its channel and its bus permissions are the real ones, only the
 * work behind is the spec's. @returns stops it.
 */
export async function serveFake(
  mesh: TestMesh,
  service: ServiceName,
  operations: readonly FakeOperation[],
): Promise<{ stop(): Promise<void> }> {
  const connection = await mesh.connectAs(service);
  const { acceptor, statement } = await mesh.makeServiceChannel(service);
  const dispatcher = makeDispatcher({
    service,
    acceptor,
    principals: mesh.directory,
    allowPlainReply: false,
    clock: systemClock,
  });
  const bound = new Map<string, ServedOperation>();
  const describe = describeChannel[service];
  bound.set(
    operationKey(describe),
    dispatcher(describe, () => Promise.resolve({ statements: [statement] })),
  );
  for (const { contract, handler } of operations)
    bound.set(operationKey(contract), dispatcher(contract, handler));
  return serveOperations({ connection, service, operations: bound, unknown: dispatcher.unknown });
}
