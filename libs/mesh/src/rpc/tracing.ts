import {
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
} from '@opentelemetry/api';
import type { MsgHdrs } from '@nats-io/nats-core';
import { HEADERS } from '@keymesh/contracts';
import { headerOf } from './header-of.js';
import { headerGetter, headerSetter } from './wire.js';

// Only the API: without an SDK in the process every call here is a no-op. Span names are contract names; no credential name,
// request or reply ever becomes an attribute.
const tracer = () => trace.getTracer('@keymesh/mesh');

export interface ActiveSpan {
  readonly span: Span;
  readonly context: Context;
}

/** Opens the span of one served request under the asker's, if it sent one. */
export function startServerSpan(operation: string, service: string, head: MsgHdrs | undefined): ActiveSpan {
  const parent = head === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, head, headerGetter);
  const span = tracer().startSpan(
    operation,
    {
      kind: SpanKind.SERVER,
      attributes: { 'rpc.system': 'nats', 'rpc.service': service, 'rpc.method': operation },
    },
    parent,
  );
  return { span, context: trace.setSpan(parent, span) };
}

/** Opens the span of one call under whatever is active, and writes it into the headers. */
export function startClientSpan(operation: string, service: string, head: MsgHdrs): ActiveSpan {
  const span = tracer().startSpan(operation, {
    kind: SpanKind.CLIENT,
    attributes: { 'rpc.system': 'nats', 'rpc.service': service, 'rpc.method': operation },
  });
  const active = trace.setSpan(context.active(), span);
  propagation.inject(active, head, headerSetter);
  return { span, context: active };
}

/** @param outcome `success`, or the error's code. */
export function endSpan({ span }: ActiveSpan, outcome: string): void {
  span.setAttribute('keymesh.outcome', outcome);
  if (outcome !== 'success') span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
  span.end();
}

const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** W3C trace context of the span; without tracing here what the asker sent, if it is well-formed. */
export function traceparentOf({ span }: ActiveSpan, head: MsgHdrs | undefined): string | undefined {
  const { traceId, spanId, traceFlags } = span.spanContext();
  if (isSpanContextValid(span.spanContext())) {
    return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  }
  const sent = headerOf(head, HEADERS.traceparent);
  return TRACEPARENT.test(sent) ? sent : undefined;
}
