import type { ReplyOf, RequestOf, RpcContract } from '@keymesh/contracts';
import type { Call, Handler } from '@keymesh/mesh';
import { applyDecorators, UseFilters } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { PassThroughFilter } from './pass-through-filter.js';

/** Transport id of everything that comes over the mesh. In a hybrid application a handler without one binds to every transport. */
export const MESH_TRANSPORT = Symbol.for('keymesh.mesh');

/** A method decorator that the compiler checks against the method's type. */
export type MethodOf<Method> = (
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<Method>,
) => void;

/**
 * Serves an operation by a controller's method `(request, call) => Promise<reply>`; its types are checked against the contract.
 * The request is validated and the channel opened before; errors of the catalogue reach the asker as they are.
 *
 * ```ts
 * @Controller()
 * export class CredentialController {
 *   constructor(@Inject(OPERATIONS) private readonly operations: VaultOperations) {}
 *   @Rpc(retrieveCredential)
 *   retrieveCredential(request: RequestOf<typeof retrieveCredential>, call: Call) {
 *     return this.operations.retrieveCredential(request, call);
 *   }
 * }
 * ```
 * @param operation what the transport asks instead of the method, once Nest has made the controller.
 */
export const Rpc = <C extends RpcContract>(
  contract: C,
  operation?: () => Handler<RpcContract> | undefined,
): MethodOf<(request: RequestOf<C>, call: Call) => Promise<ReplyOf<C>>> =>
  meshHandler(`${contract.service}.${contract.noun}.${contract.verb}`, { contract, operation });

/** Binds a method to the mesh transport with what the transport needs to know of it. */
export const meshHandler = (pattern: string, extras: Record<string, unknown>): MethodDecorator =>
  applyDecorators(
    MessagePattern(pattern, MESH_TRANSPORT, extras),
    // On the method, not global: handlers are bound before a microservice's own global filters can be set.
    UseFilters(new PassThroughFilter()),
    withBothArguments,
  );

// Without parameter decorators Nest hands over the first argument alone.
const withBothArguments: MethodDecorator = (target, key) => {
  Payload()(target, key, 0);
  Ctx()(target, key, 1);
};
