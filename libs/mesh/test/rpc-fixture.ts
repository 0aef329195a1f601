import {
  describeChannel,
  defineRpc,
  retrieveCredential,
  secretBytes,
  storeCredential,
  type ServiceName,
} from '@keymesh/contracts';
import { systemClock, Secret, type Clock } from '@keymesh/kernel';
import {
  makeCaller,
  makeDispatcher,
  operationKey,
  serveOperations,
  type Caller,
  type DispatcherOptions,
  type Handler,
  type MeshConnection,
  type Served,
} from '../src/index.js';
import type { TestMesh, TestPrincipal } from '@keymesh/testing';
import { z } from 'zod';

/** An operation that a spec can make do anything. */
export const echoSecret = defineRpc({
  name: 'echoSecret',
  service: 'vault',
  noun: 'spec',
  verb: 'echo',
  request: z.strictObject({ text: z.string().max(2_000_000), secret: secretBytes().optional() }),
  reply: z.strictObject({ text: z.string(), secret: secretBytes().optional() }),
});
export const neverServed = defineRpc({
  name: 'neverServed',
  service: 'vault',
  noun: 'spec',
  verb: 'never',
  request: z.strictObject({}),
  reply: z.strictObject({}),
});

export interface ServedVault {
  readonly served: Served[];
  readonly handled: number;
  readonly connection: MeshConnection;
  stop(): Promise<void>;
}

export interface ServeOptions {
  readonly service?: ServiceName;
  readonly allowPlainReply?: boolean;
  readonly handler?: Handler<typeof echoSecret>;
  readonly clock?: Clock;
  readonly channel?: Awaited<ReturnType<TestMesh['makeServiceChannel']>>;
  readonly principals?: DispatcherOptions['principals'];
}

const echo: Handler<typeof echoSecret> = ({ text, secret }) =>
  Promise.resolve({ text, ...(secret && { secret: new Secret(secret.expose().slice(), 'echo') }) });

/** One instance of a vault that echoes. */
export async function serveVault(mesh: TestMesh, options: ServeOptions = {}): Promise<ServedVault> {
  const connection = await mesh.connectAs('vault');
  const clock = options.clock ?? systemClock;
  const { acceptor, statement } = options.channel ?? (await mesh.makeServiceChannel('vault', clock));
  const served: Served[] = [];
  let handled = 0;
  const dispatch = makeDispatcher({
    service: 'vault',
    acceptor,
    principals: options.principals ?? mesh.directory,
    allowPlainReply: options.allowPlainReply ?? false,
    clock,
    onServed: (one) => void served.push(one),
  });
  const work: Handler<typeof echoSecret> = (request, call) => {
    handled += 1;
    return (options.handler ?? echo)(request, call);
  };
  const serving = serveOperations({
    connection,
    service: 'vault',
    operations: new Map([
      [operationKey(echoSecret), dispatch(echoSecret, work)],
      [
        operationKey(describeChannel.vault),
        dispatch(describeChannel.vault, () => Promise.resolve({ statements: [statement] })),
      ],
    ]),
    unknown: dispatch.unknown,
  });
  await connection.nats.flush();
  return {
    served,
    get handled() {
      return handled;
    },
    connection,
    stop: () => serving.stop(),
  };
}

export async function callerOf(
  mesh: TestMesh,
  who: TestPrincipal,
  clock: Clock = systemClock,
): Promise<Caller> {
  const connection = await mesh.connectAs(who);
  return makeCaller({
    connection,
    principal: who.name,
    signingKey: who.signingKey,
    meshPublicKey: mesh.trustRoot.meshPublicKey,
    clock,
  });
}

export { retrieveCredential, storeCredential };
