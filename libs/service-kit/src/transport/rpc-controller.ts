import type { RpcContract } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { Controller, Inject, type Type } from '@nestjs/common';
import { Rpc } from './rpc.js';

/** Contracts by their names. */
export type Contracts = Readonly<Record<string, RpcContract>>;
/** An operation for each contract, under its name. */
export type HandlersOf<Group extends Contracts> = {
  readonly [Name in keyof Group]: Handler<Group[Name]>;
};

/**
 * A controller that serves each of these contracts by the operation of its name, found under `token`.
 * The request is validated and the channel opened before; errors of the catalogue reach the asker as they are.
 *
 * Nest makes it and gives it its operations, and is not on a request's way: the transport asks the operation itself, because
 * guards, pipes and interceptors that nobody has would cost a dozen promises a request (ADR 0004).
 */
export function rpcController(token: symbol, contracts: Contracts): Type {
  let operations: HandlersOf<Contracts> | undefined;
  class OperationsController {
    constructor(readonly injected: HandlersOf<Contracts>) {
      operations = injected;
    }
  }
  for (const [name, contract] of Object.entries(contracts)) {
    const descriptor = {
      configurable: true,
      writable: true,
      value(this: OperationsController, ...[request, call]: Parameters<Handler<RpcContract>>) {
        return (this.injected[name] as Handler<RpcContract>)(request, call);
      },
    };
    Object.defineProperty(OperationsController.prototype, name, descriptor);
    Rpc(contract, () => operations?.[name])(OperationsController.prototype, name, descriptor);
  }
  Inject(token)(OperationsController, undefined, 0);
  Controller()(OperationsController);
  return OperationsController;
}
