import { SpanStatusCode, trace, TraceFlags, type Attributes, type Span } from '@opentelemetry/api';
import { toPublicError } from '@keymesh/contracts';

/**
 * Runs a step of an operation in a span of its own: `inSpan('decide', () => …, { 'keymesh.bundle': 3 })`. A failure marks it with its code.
 * Names are of steps, never of credentials or principals. Costs next to nothing in a trace that is not recorded.
 */
export function inSpan<T>(
  name: string,
  work: (span: Span) => Promise<T>,
  attributes: Attributes = {},
): Promise<T> {
  const active = trace.getActiveSpan();
  // By the flag: a parent that came from elsewhere records nothing here, and its trace may be recorded all the same.
  if (active !== undefined && (active.spanContext().traceFlags & TraceFlags.SAMPLED) === 0)
    return work(active);
  return trace.getTracer('@keymesh/service-kit').startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      span.setAttribute('error.type', toPublicError(error).code);
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  });
}
