import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

/**
 * Runs one command inside a root span that is always sampled, so that every command a person types can be looked at
 * with `keymesh trace ID`. The services follow the sampling decision of the caller.
 */
export async function traced<T>(
  command: string,
  endpoint: string | undefined,
  run: (traceId: string) => Promise<T>,
): Promise<T> {
  const provider = new TracerProvider({
    sampler: new AlwaysOnSampler(),
    resource: resourceFromAttributes({ 'service.name': 'keymesh-cli' }),
    spanProcessors:
      endpoint === undefined
        ? []
        : [
            new BatchSpanProcessor({
              exporter: new OTLPTraceExporter({ url: endpoint, timeoutMillis: 1_000 }),
            }),
          ],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  return trace
    .getTracer('@keymesh/cli')
    .startActiveSpan(`keymesh ${command}`, { kind: SpanKind.INTERNAL }, async (span) => {
      try {
        return await run(span.spanContext().traceId);
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
        await provider.shutdown().catch(() => undefined); // a trace nobody takes must not fail the command
      }
    });
}
