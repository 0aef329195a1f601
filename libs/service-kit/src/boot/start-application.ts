import 'reflect-metadata';
import type { Server } from 'node:net';
import { makeAcceptor } from '@keymesh/channel';
import { describeChannel, failure, type ConsumerDeclaration } from '@keymesh/contracts';
import { makeDispatcher, type Dispatcher, type Served } from '@keymesh/mesh';
import { Module, type DynamicModule, type INestApplication, type Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { makeChannelRefusals } from '../channel/channel-refusals.js';
import type { CommonConfig } from '../config/common-config.js';
import { HealthController } from '../health/health.controller.js';
import { nestLogger } from '../telemetry/nest-logger.js';
import * as tokens from '../tokens.js';
import type { ServiceKit } from '../tokens.js';
import { MeshTransport } from '../transport/mesh-transport.js';
import { directoryOf } from './build-kit.js';
import type { ServiceDefinition } from './service-definition.js';

@Module({})
class KitModule {}

@Module({})
class ServiceModule {}

/** Makes the Nest application, and begins to listen: HTTP first, then the mesh. @returns the HTTP port that was chosen. */
export async function startApplication<Config extends CommonConfig>(
  kit: ServiceKit<Config>,
  definition: ServiceDefinition<Config>,
): Promise<{ readonly app: INestApplication; readonly httpPort: number }> {
  const app = await NestFactory.create(rootModule(kit, definition), {
    logger: nestLogger(kit.logger),
    abortOnError: false,
    bodyParser: false,
    // A scraper's kept-alive connection must not hold up the stop.
    forceCloseConnections: true,
  });
  kit.onShutdown('application', () => app.close());
  app.connectMicroservice({ strategy: makeTransport(kit) });
  // Before any message: else the first ones would arrive while lifecycle hooks are still running.
  await app.init();
  await listenHttp(app, kit.config.http);
  await app.startAllMicroservices();
  const address = (app.getHttpServer() as Server).address();
  return { app, httpPort: typeof address === 'object' && address !== null ? address.port : 0 };
}

async function listenHttp(app: INestApplication, { host, port }: CommonConfig['http']): Promise<void> {
  try {
    await app.listen(port, host);
  } catch (error) {
    const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    throw isTaken ? failure('PORT_IN_USE', { details: { port }, cause: error }) : error;
  }
}

function rootModule<Config extends CommonConfig>(
  kit: ServiceKit<Config>,
  definition: ServiceDefinition<Config>,
): DynamicModule {
  const providers: Provider[] = [
    { provide: tokens.KIT, useValue: kit },
    { provide: tokens.CONFIG, useValue: kit.config },
    { provide: tokens.CLOCK, useValue: kit.clock },
    { provide: tokens.LOGGER, useValue: kit.logger },
    { provide: tokens.METRICS, useValue: kit.metrics },
    { provide: tokens.HEALTH, useValue: kit.health },
    { provide: tokens.SIGNING_KEY, useValue: kit.signingKey },
    { provide: tokens.DATA_SOURCE, useValue: kit.dataSource },
    { provide: tokens.CONNECTION, useValue: kit.connection },
    { provide: tokens.POLICY, useValue: kit.policy },
    { provide: tokens.JOURNAL, useValue: kit.journal },
    { provide: tokens.CALLER, useValue: kit.caller },
    { provide: tokens.CHANNEL_KEYS, useValue: kit.channelKeys },
  ];
  const kitModule: DynamicModule = {
    module: KitModule,
    global: true,
    providers,
    exports: providers.map((provider) => (provider as { provide: symbol }).provide),
  };
  return {
    module: ServiceModule,
    imports: [kitModule, ...(definition.imports ?? [])],
    controllers: [HealthController, ...(definition.controllers ?? [])],
    providers: [...(definition.providers ?? [])],
  };
}

function makeTransport<Config extends CommonConfig>(kit: ServiceKit<Config>): MeshTransport {
  const { name, connection, channelKeys, metrics, logger, clock } = kit;
  const describe = (): Promise<unknown> => {
    const statements = [...channelKeys.currentStatements()];
    return statements.length > 0 ? Promise.resolve({ statements }) : Promise.reject(failure('UNAVAILABLE'));
  };
  return new MeshTransport({
    service: name,
    connection,
    dispatcher: makeServiceDispatcher(kit),
    builtIn: [{ contract: describeChannel[name], handler: describe }],
    async observeConsumer({ durable }: ConsumerDeclaration, messages, work) {
      const startedAt = clock.monotonic();
      const count = (outcome: string) => metrics.consumed.inc({ consumer: durable, outcome }, messages);
      try {
        await work();
        count('success');
      } catch (error) {
        count('failure');
        throw error;
      } finally {
        metrics.consumeDuration.observe({ consumer: durable }, (clock.monotonic() - startedAt) / 1_000);
      }
    },
    onConsumeFailure: ({ durable }, { streamSequence, deliveryCount }, error, next) =>
      logger.warn(
        { err: error, consumer: durable, streamSequence, deliveryCount, next },
        'message not handled',
      ),
  });
}

function makeServiceDispatcher<Config extends CommonConfig>(kit: ServiceKit<Config>): Dispatcher {
  const { name, config, policy, channelKeys, clock } = kit;
  const refusals = makeChannelRefusals(kit);
  const acceptor = makeAcceptor({
    service: name,
    privateKey: (keyId) => channelKeys.privateKey(keyId),
    isChannelKeyOf: (principal, publicKey) => directoryOf(policy).isChannelKeyOf(principal, publicKey),
    attempts: refusals.attempts,
    clock,
  });
  return makeDispatcher({
    service: name,
    acceptor,
    // Not known before the first bundle; operations without a channel are answered even then.
    principals: { find: (principal) => policy.findPolicy()?.directory.find(principal) },
    allowPlainReply: config.allowPlainReply,
    clock,
    settling: policy.settling,
    onServed(served) {
      report(kit, served);
      const { outcome, principal } = served;
      if (outcome === 'CHANNEL_REJECTED' && principal !== undefined) refusals.note(principal);
    },
  });
}

function report<Config extends CommonConfig>({ metrics, logger }: ServiceKit<Config>, served: Served): void {
  const { operation, outcome, durationMs, requestId, principal, error } = served;
  metrics.operations.inc({ operation, outcome });
  metrics.operationDuration.observe({ operation, outcome }, durationMs / 1_000);
  const facts = { operation, outcome, durationMs, requestId, principal };
  if (outcome === 'INTERNAL') logger.error({ ...facts, err: error }, 'operation failed');
  else logger.debug(facts, 'operation served');
}
