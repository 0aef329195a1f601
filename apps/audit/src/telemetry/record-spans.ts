import {
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  trace,
  type TimeInput,
} from '@opentelemetry/api';
import { isSampled } from '../domain/leaf.js';

const TRACER = '@keymesh/audit';

/** A step of one record's way, in the trace of the request that it records. */
export interface RecordSpan {
  /** What goes on with the record; the record's own when no span is made; undefined when it has none. */
  readonly traceparent: string | undefined;
  /** Ends the span now. */
  readonly end: () => void;
}

const NOTHING = (): void => undefined;

/**
 * Begins a span in a record's trace. Only if that trace is recorded: at thousands of records a second the others would cost more
 * than the ledger itself.
 */
export function spanOfRecord(
  name: string,
  traceparent: string | undefined,
  startTime?: TimeInput,
): RecordSpan {
  if (traceparent === undefined || !isSampled(traceparent)) return { traceparent, end: NOTHING };
  const parent = propagation.extract(ROOT_CONTEXT, { traceparent });
  const options = { kind: SpanKind.CONSUMER, ...(startTime === undefined ? {} : { startTime }) };
  const span = trace.getTracer(TRACER).startSpan(name, options, parent);
  if (!isSpanContextValid(span.spanContext()) || !span.isRecording()) return { traceparent, end: NOTHING };
  const carrier: { traceparent?: string } = {};
  propagation.inject(trace.setSpan(context.active(), span), carrier);
  return { traceparent: carrier.traceparent ?? traceparent, end: () => span.end() };
}

/** Spans `integrateRecord` of records that were just committed, from `startTime` (milliseconds since the epoch) to now. */
export function traceIntegrated(traceparents: readonly (string | null)[], startTime: number): void {
  for (const traceparent of traceparents) {
    if (traceparent !== null && isSampled(traceparent))
      spanOfRecord('integrateRecord', traceparent, startTime).end();
  }
}
