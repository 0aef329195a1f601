import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import {
  credentialHistory,
  describeCredential,
  type ReplyOf,
  type RequestOf,
  type RpcContract,
} from '@keymesh/contracts';
import type { Call, Dispatcher, Handler, MeshConnection } from '@keymesh/mesh';
import { Controller, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { MeshTransport } from './mesh-transport.js';
import { rpcController } from './rpc-controller.js';
import { Rpc } from './rpc.js';

const OPERATIONS = Symbol('operations');
const operations = {
  describeCredential: () => Promise.resolve('described'),
  credentialHistory: () => Promise.reject(new Error('no history')),
};

@Module({})
class TestModule {}

/** Starts Nest with these controllers. @returns what the dispatcher was given to ask, by operation. */
async function boundBy(...controllers: Type[]): Promise<Map<string, Handler<RpcContract>>> {
  const bound = new Map<string, Handler<RpcContract>>();
  const bind = (contract: RpcContract, handler: Handler<RpcContract>) => {
    bound.set(contract.name, handler);
    return () => Promise.resolve();
  };
  const subscription = { isClosed: () => true };
  const connection = { nats: { subscribe: () => subscription } } as unknown as MeshConnection;
  const strategy = new MeshTransport({
    service: 'vault',
    connection,
    dispatcher: Object.assign(bind, { unknown: () => Promise.resolve() }) as unknown as Dispatcher,
    builtIn: [],
    observeConsumer: () => Promise.resolve(),
    onConsumeFailure: () => undefined,
  });
  const providers = [{ provide: OPERATIONS, useValue: operations }];
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(
    { module: TestModule, controllers, providers },
    { strategy, logger: false },
  );
  await app.listen();
  await app.close();
  return bound;
}

describe('a controller made of a table of contracts', () => {
  it('has its operations asked without Nest in between', async () => {
    const bound = await boundBy(rpcController(OPERATIONS, { describeCredential, credentialHistory }));
    expect(bound.get('describeCredential')).toBe(operations.describeCredential);
    expect(bound.get('credentialHistory')).toBe(operations.credentialHistory);
  });

  it('does not keep one that is written out from going through Nest', async () => {
    @Controller()
    class WrittenController {
      @Rpc(describeCredential)
      describeCredential(
        _request: RequestOf<typeof describeCredential>,
        _call: Call,
      ): Promise<ReplyOf<typeof describeCredential>> {
        return Promise.resolve('written' as never);
      }
    }
    const bound = await boundBy(WrittenController, rpcController(OPERATIONS, { credentialHistory }));
    await expect(bound.get('describeCredential')?.({}, {} as never)).resolves.toBe('written');
    await expect(bound.get('credentialHistory')?.({}, {} as never)).rejects.toThrow('no history');
  });
});
