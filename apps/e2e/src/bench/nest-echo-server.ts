// An echo through Nest with one OpenTelemetry span: what a Nest service costs before it does anything. Arguments: server URL.
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  MessagePattern,
  Payload,
  Server,
  type CustomTransportStrategy,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import { ExportResultCode } from '@opentelemetry/core';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  TracerProvider,
  type SpanExporter,
} from '@opentelemetry/sdk-trace';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { lastValueFrom } from 'rxjs';

// Spans are made and batched, and go nowhere: the exporter's network is not what is compared.
const nowhere: SpanExporter = {
  export: (_, done) => {
    done({ code: ExportResultCode.SUCCESS });
  },
  shutdown: () => Promise.resolve(),
};
trace.setGlobalTracerProvider(
  new TracerProvider({
    sampler: new AlwaysOnSampler(),
    spanProcessors: [new BatchSpanProcessor({ exporter: nowhere })],
  }),
);
const tracer = trace.getTracer('bench');

class QueueStrategy extends Server implements CustomTransportStrategy {
  private nats: NatsConnection | undefined;
  async listen(done: (error?: unknown) => void): Promise<void> {
    this.nats = await connect({ servers: process.argv[2] ?? '' });
    for (const [pattern, handler] of this.messageHandlers) {
      this.nats.subscribe(pattern, {
        queue: 'bench',
        callback: (error, message) => {
          if (error !== null) return;
          void tracer.startActiveSpan('echo', { kind: SpanKind.SERVER }, ROOT_CONTEXT, async (span) => {
            const reply = await lastValueFrom(this.transformToObservable(await handler(message.data)));
            message.respond(reply as Uint8Array);
            span.end();
          });
        },
      });
    }
    await this.nats.flush();
    done();
  }
  close(): void {
    void this.nats?.close();
  }
  on(): never {
    throw new Error('no events');
  }
  unwrap(): never {
    throw new Error('nothing needs the connection');
  }
}

@Controller()
class EchoController {
  @MessagePattern('bench.nest')
  echo(@Payload() data: Uint8Array): Uint8Array {
    return data;
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

const app = await NestFactory.createMicroservice<MicroserviceOptions>(EchoModule, {
  strategy: new QueueStrategy(),
  logger: ['error'],
});
await app.listen();
process.send?.('ready');
process.on('disconnect', () => process.exit(0));
