import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  propagation,
  trace,
  TraceFlags,
  type Context,
  type Span,
  type SpanOptions,
  type TextMapPropagator,
} from '@opentelemetry/api';
import { spanOfRecord, traceIntegrated } from './record-spans.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SAMPLED = `00-${TRACE}-b7ad6b7169203331-01`;
const UNSAMPLED = `00-${TRACE}-b7ad6b7169203331-00`;
const OWN_SPAN = '00f067aa0ba902b7';

const started: {
  name: string;
  parentTrace: string | undefined;
  startTime: SpanOptions['startTime'];
  ended: boolean;
}[] = [];

// The two smallest parts of a tracing SDK that the function touches.
const w3c: TextMapPropagator = {
  fields: () => ['traceparent'],
  inject: (context, carrier, setter) => {
    const span = trace.getSpanContext(context);
    if (span !== undefined) setter.set(carrier, 'traceparent', `00-${span.traceId}-${span.spanId}-01`);
  },
  extract: (context, carrier, getter) => {
    const [, traceId = '', spanId = ''] = String(getter.get(carrier, 'traceparent')).split('-');
    return trace.setSpanContext(context, { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true });
  },
};
const startSpan = (name: string, { startTime }: SpanOptions = {}, context?: Context): Span => {
  const parent = context === undefined ? undefined : trace.getSpanContext(context);
  const seen = { name, parentTrace: parent?.traceId, startTime, ended: false };
  started.push(seen);
  return {
    spanContext: () => ({ traceId: parent?.traceId ?? '', spanId: OWN_SPAN, traceFlags: TraceFlags.SAMPLED }),
    isRecording: () => true,
    end: () => void (seen.ended = true),
  } as unknown as Span;
};

beforeAll(() => {
  propagation.setGlobalPropagator(w3c);
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan }) as never });
});
afterAll(() => {
  propagation.disable();
  trace.disable();
});
beforeEach(() => void started.splice(0));

describe('spans of records', () => {
  it('stand in the trace of the request that was recorded, and hand it on', () => {
    const span = spanOfRecord('publishEvent', SAMPLED);
    expect(span.traceparent).toBe(`00-${TRACE}-${OWN_SPAN}-01`);
    span.end();
    expect(started).toEqual([
      { name: 'publishEvent', parentTrace: TRACE, startTime: undefined, ended: true },
    ]);
  });

  it('are made for recorded traces only', () => {
    expect(spanOfRecord('publishEvent', UNSAMPLED).traceparent).toBe(UNSAMPLED);
    expect(spanOfRecord('publishEvent', undefined).traceparent).toBeUndefined();
    traceIntegrated([UNSAMPLED, null, SAMPLED], 1_000);
    expect(started).toEqual([{ name: 'integrateRecord', parentTrace: TRACE, startTime: 1_000, ended: true }]);
  });
});
