import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  context,
  propagation,
  ROOT_CONTEXT,
  trace,
  TraceFlags,
  type Context,
  type Span,
  type SpanOptions,
  type TextMapPropagator,
  type Tracer,
} from '@opentelemetry/api';
import { headers } from '@nats-io/nats-core';
import { endSpan, startClientSpan, startServerSpan, traceparentOf } from './tracing.js';

interface Recorded {
  readonly name: string;
  readonly kind: unknown;
  readonly parent: string | undefined;
  readonly spanId: string;
  readonly attributes: Record<string, unknown>;
  ended: boolean;
}

// The smallest SDK there can be: spans are recorded, contexts travel as W3C traceparent.
const recorded: Recorded[] = [];
const tracer = {
  startSpan(name: string, options: SpanOptions = {}, parent: Context = context.active()): Span {
    const parentContext = trace.getSpanContext(parent);
    const spanId = String(recorded.length + 1).padStart(16, '0');
    const record: Recorded = {
      name,
      kind: options.kind,
      parent: parentContext?.spanId,
      spanId,
      attributes: { ...options.attributes },
      ended: false,
    };
    recorded.push(record);
    const spanContext = {
      traceId: parentContext?.traceId ?? 'a'.repeat(32),
      spanId,
      traceFlags: TraceFlags.SAMPLED,
    };
    return {
      ...trace.wrapSpanContext(spanContext),
      spanContext: () => spanContext,
      setAttribute(key: string, value: unknown) {
        record.attributes[key] = value;
        return this;
      },
      setStatus() {
        return this;
      },
      end: () => void (record.ended = true),
    } as unknown as Span;
  },
} as Tracer;
const propagator: TextMapPropagator = {
  fields: () => ['traceparent'],
  inject(from, carrier, setter) {
    const span = trace.getSpanContext(from);
    if (span) setter.set(carrier, 'traceparent', `00-${span.traceId}-${span.spanId}-01`);
  },
  extract(to, carrier, getter) {
    const [, traceId, spanId] = String(getter.get(carrier, 'traceparent') ?? '').split('-');
    if (!traceId || !spanId) return to;
    return trace.setSpanContext(to, { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true });
  },
};

describe('without an SDK', () => {
  it('passes on a well-formed traceparent and nothing else', () => {
    const head = headers();
    const active = startServerSpan('echo', 'vault', head);
    expect(traceparentOf(active, head)).toBeUndefined();
    const sent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
    head.set('traceparent', sent);
    expect(traceparentOf(active, head)).toBe(sent);
    head.set('traceparent', 'anything else');
    expect(traceparentOf(active, head)).toBeUndefined();
    const client = headers();
    startClientSpan('echo', 'vault', client);
    expect(client.has('traceparent')).toBe(false);
  });
});

describe('with an SDK', () => {
  beforeAll(() => {
    trace.setGlobalTracerProvider({ getTracer: () => tracer });
    propagation.setGlobalPropagator(propagator);
  });
  afterAll(() => {
    trace.disable();
    propagation.disable();
  });

  it('joins client and server span of one call, named by the contract, through the message headers', () => {
    const head = headers();
    const client = startClientSpan('retrieveCredential', 'vault', head);
    const server = startServerSpan('retrieveCredential', 'vault', head);
    expect(traceparentOf(server, head)).toBe(`00-${'a'.repeat(32)}-${server.span.spanContext().spanId}-01`);
    expect(trace.getSpan(server.context)).toBe(server.span);
    expect(trace.getSpan(ROOT_CONTEXT)).toBeUndefined();
    endSpan(server, 'DENIED');
    endSpan(client, 'success');
    const [first, second] = recorded.slice(-2);
    expect(first).toMatchObject({ name: 'retrieveCredential', kind: 2, parent: undefined, ended: true });
    expect(second).toMatchObject({ name: 'retrieveCredential', kind: 1, parent: first?.spanId, ended: true });
    expect(second?.attributes).toEqual({
      'rpc.system': 'nats',
      'rpc.service': 'vault',
      'rpc.method': 'retrieveCredential',
      'keymesh.outcome': 'DENIED',
    });
  });
});
