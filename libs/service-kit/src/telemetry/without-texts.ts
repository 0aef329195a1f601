import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';

const TEXTS = ['exception.message', 'exception.stacktrace'];

/**
 * Wraps an exporter so that no free text of an error leaves with a span: status messages and exception texts quote what a driver or
 * parser was given. Codes and types stay; the log line with the same trace id has the rest.
 */
export const withoutTexts = (exporter: SpanExporter): SpanExporter => ({
  export: (spans, done) => exporter.export(spans.map(strip), done),
  shutdown: () => exporter.shutdown(),
  ...(exporter.forceFlush === undefined
    ? {}
    : { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() }),
});

function strip(span: ReadableSpan): ReadableSpan {
  if (span.status.message === undefined && span.events.length === 0) return span;
  const events = span.events.map((event) => ({
    ...event,
    attributes: Object.fromEntries(
      Object.entries(event.attributes ?? {}).filter(([name]) => !TEXTS.includes(name)),
    ),
  }));
  // The span's other fields are getters and private state of the SDK: an object that inherits from it keeps them.
  return Object.create(span, {
    status: { value: { code: span.status.code }, enumerable: true },
    events: { value: events, enumerable: true },
  }) as ReadableSpan;
}
