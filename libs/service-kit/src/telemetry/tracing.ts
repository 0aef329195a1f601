import { context, propagation, trace, type Span } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
  type SpanExporter,
} from '@opentelemetry/sdk-trace';
import {
  ATTR_DB_QUERY_TEXT,
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
} from '@opentelemetry/semantic-conventions';
import type { TelemetryConfig } from '../config/common-config.js';
import { maskStatement } from './mask-statement.js';
import { withoutTexts } from './without-texts.js';

export interface Tracing {
  /** Sends what is left, within two seconds. */
  shutdown(): Promise<void>;
}

export interface TracingOptions {
  readonly service: string;
  readonly instance: string;
  readonly config: TelemetryConfig;
  /** Default: OTLP over HTTP, when a collector is configured. For specs. */
  readonly exporter?: SpanExporter;
}

const SHUTDOWN_MS = 2_000;

/**
 * Starts OpenTelemetry. Call it before anything loads `pg` (TypeORM does so when a data source is made), so that its queries get spans.
 *
 * The standard variables hold: sampler, endpoint, headers, batch settings (`OTEL_BSP_*`), resource attributes. Without a
 * collector nothing is recorded, but trace ids are still made and passed on: logs and audit records have them.
 */
export function startTracing(options: TracingOptions): Tracing {
  if (options.config.disabled) return { shutdown: () => Promise.resolve() };
  const exporter = options.exporter ?? (options.config.exports ? new OTLPTraceExporter() : undefined);
  const provider = new TracerProvider({
    sampler:
      exporter === undefined
        ? new ParentBasedSampler({ root: new AlwaysOffSampler() })
        : samplerOf(options.config),
    resource: resourceOf(options),
    spanProcessors:
      exporter === undefined ? [] : [new BatchSpanProcessor({ exporter: withoutTexts(exporter) })],
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const postgres = instrumentPostgres(provider);
  return {
    async shutdown() {
      postgres.disable();
      await Promise.race([
        provider.shutdown(),
        new Promise((resolve) => setTimeout(resolve, SHUTDOWN_MS).unref()),
      ]);
    },
  };
}

const resourceOf = ({ service, instance, config }: TracingOptions) =>
  defaultResource()
    .merge(
      resourceFromAttributes({
        [ATTR_SERVICE_NAME]: config.serviceName ?? `keymesh-${service}`,
        [ATTR_SERVICE_INSTANCE_ID]: instance,
      }),
    )
    .merge(detectResources({ detectors: [resourceAttributesEnvDetector] }));

// SOURCE: OpenTelemetry environment variable specification, OTEL_TRACES_SAMPLER.
function samplerOf({ sampler, samplerRatio }: TelemetryConfig): Sampler {
  const plain = (name: string): Sampler => {
    if (name.endsWith('always_off')) return new AlwaysOffSampler();
    return name.endsWith('traceidratio') ? new TraceIdRatioBasedSampler(samplerRatio) : new AlwaysOnSampler();
  };
  return sampler.startsWith('parentbased_')
    ? new ParentBasedSampler({ root: plain(sampler) })
    : plain(sampler);
}

/**
 * Spans of Postgres queries: the statement with its literals masked, never the bound values. Only inside a span of ours, so that
 * housekeeping (a query a second) makes no traces of its own. TypeORM loads `pg` by `require`, which can be patched from ESM without a loader.
 */
function instrumentPostgres(provider: TracerProvider): PgInstrumentation {
  const instrumentation = new PgInstrumentation({
    enhancedDatabaseReporting: false,
    requireParentSpan: true,
    ignoreConnectSpans: true,
    requestHook: (span: Span, { query }) =>
      void span.setAttribute(ATTR_DB_QUERY_TEXT, maskStatement(query.text)),
  });
  instrumentation.setTracerProvider(provider);
  instrumentation.enable();
  return instrumentation;
}
