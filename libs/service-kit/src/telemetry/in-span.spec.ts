import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { inSpan } from './in-span.js';
import { withoutTexts } from './without-texts.js';

const memory = new InMemorySpanExporter();

beforeAll(() => {
  const processor = new SimpleSpanProcessor({ exporter: withoutTexts(memory) });
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [processor] }));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => {
  trace.disable();
  context.disable();
});
beforeEach(() => memory.reset());

describe('inSpan', () => {
  it('makes a child of the active span, and a failure marks it by its code', async () => {
    await inSpan('outer', async () => {
      await expectCode(
        inSpan('inner', () => Promise.reject(failure('KMS_UNAVAILABLE'))),
        'KMS_UNAVAILABLE',
      );
    });
    const [inner, outer] = memory.getFinishedSpans();
    expect(inner).toMatchObject({
      name: 'inner',
      attributes: { 'error.type': 'KMS_UNAVAILABLE' },
      status: { code: 2 },
    });
    expect(inner?.parentSpanContext?.spanId).toBe(outer?.spanContext().spanId);
  });

  it('leaves a trace alone that is not recorded', async () => {
    const unsampled = trace.wrapSpanContext({
      traceId: '1'.repeat(32),
      spanId: '2'.repeat(16),
      traceFlags: 0,
    });
    await context.with(trace.setSpan(context.active(), unsampled), () =>
      inSpan('step', (span) => {
        expect(span).toBe(unsampled);
        return Promise.resolve();
      }),
    );
    expect(memory.getFinishedSpans()).toEqual([]);
  });
});

describe('withoutTexts', () => {
  it('keeps codes and takes every free text of errors from a span', () => {
    const span = trace.getTracer('spec').startSpan('query');
    span.recordException(new Error('cnry in a message'));
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'cnry in a status' });
    span.setAttribute('error.type', '22P02');
    span.end();
    const [seen] = memory.getFinishedSpans();
    expect(seen).toMatchObject({ name: 'query', attributes: { 'error.type': '22P02' }, status: { code: 2 } });
    expect(seen?.events[0]?.attributes).toEqual({ 'exception.type': 'Error' });
    expect(seen?.spanContext().traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(JSON.stringify([seen?.status, seen?.events, seen?.attributes])).not.toContain('cnry');
  });
});
