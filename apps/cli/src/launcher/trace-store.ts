import { appendFile, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { StoredSpan } from '../waterfall.js';

const MAX_FILE_BYTES = 16 * 2 ** 20;

// SOURCE: opentelemetry-proto 1.x, JSON mapping of ExportTraceServiceRequest: ids in hex, 64-bit numbers as text.
const anyValue = z.looseObject({
  stringValue: z.string().optional(),
  intValue: z.union([z.string(), z.number()]).optional(),
  boolValue: z.boolean().optional(),
  doubleValue: z.number().optional(),
});
const attributes = z.array(z.object({ key: z.string(), value: anyValue })).default([]);
const nanos = z.union([z.string().regex(/^\d{1,20}$/), z.number()]).transform(String);
const exportRequest = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes }).default({ attributes: [] }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              traceId: z.string().regex(/^[0-9a-f]{32}$/i),
              spanId: z.string().regex(/^[0-9a-f]{16}$/i),
              parentSpanId: z.string().optional(),
              name: z.string().max(256),
              startTimeUnixNano: nanos,
              endTimeUnixNano: nanos,
              attributes,
              status: z.object({ code: z.union([z.number(), z.string()]).optional() }).default({}),
            }),
          ),
        }),
      ),
    }),
  ),
});

/** A span as one line of the ring. */
export interface KeptSpan extends StoredSpan {
  readonly traceId: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

type Attributes = z.output<typeof attributes>;
const plain = (list: Attributes): Record<string, string | number | boolean> =>
  Object.fromEntries(
    list.flatMap(({ key, value }) => {
      const one = value.stringValue ?? value.intValue ?? value.boolValue ?? value.doubleValue;
      return one === undefined ? [] : [[key, one]];
    }),
  );

/** Reads an OTLP/HTTP JSON export. @returns undefined unless it is one. */
export function parseOtlpJson(body: unknown): KeptSpan[] | undefined {
  const parsed = exportRequest.safeParse(body);
  if (!parsed.success) return undefined;
  return parsed.data.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(plain(resource.attributes)['service.name'] ?? 'unknown').replace(/^keymesh-/, '');
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId.toLowerCase(),
        spanId: span.spanId.toLowerCase(),
        parentSpanId:
          span.parentSpanId === undefined || span.parentSpanId === ''
            ? null
            : span.parentSpanId.toLowerCase(),
        service,
        name: span.name,
        startTimeUnixNano: span.startTimeUnixNano,
        endTimeUnixNano: span.endTimeUnixNano,
        error: span.status.code === 2 || span.status.code === 'STATUS_CODE_ERROR',
        attributes: plain(span.attributes),
      })),
    );
  });
}

export interface TraceStore {
  /** Keeps spans; the oldest go when there are too many. */
  add(spans: readonly KeptSpan[]): Promise<void>;
  /** Every span kept of a trace. */
  find(traceId: string): Promise<KeptSpan[]>;
}

/** A ring of two JSONL files in `folder`, `maxFileBytes` (16 MiB) each: when the newer is full it becomes the older. */
export function makeTraceStore(folder: string, maxFileBytes = MAX_FILE_BYTES): TraceStore {
  const [newer, older] = [join(folder, 'spans.jsonl'), join(folder, 'spans.1.jsonl')];
  let queue: Promise<void> = Promise.resolve();

  const append = async (text: string): Promise<void> => {
    const size = await stat(newer).then(
      (file) => file.size,
      () => 0,
    );
    if (size > 0 && size + text.length > maxFileBytes) await rename(newer, older);
    await appendFile(newer, text, { mode: 0o600 });
  };
  const readLines = async (path: string): Promise<string[]> =>
    (await readFile(path, 'utf8').catch(() => '')).split('\n');

  return {
    add: (spans) => {
      const text = spans.map((span) => `${JSON.stringify(span)}\n`).join('');
      // One at a time, in order; a full disk loses traces and nothing else.
      queue = queue.then(() => append(text)).catch(() => undefined);
      return queue;
    },
    find: async (traceId) => {
      await queue;
      const lines = [...(await readLines(older)), ...(await readLines(newer))];
      return lines
        .filter((line) => line.includes(`"${traceId}"`))
        .flatMap((line) => parseLine(line, traceId));
    },
  };
}

function parseLine(line: string, traceId: string): KeptSpan[] {
  try {
    const span = JSON.parse(line) as KeptSpan;
    return span.traceId === traceId ? [span] : [];
  } catch {
    return []; // the last line of a launcher that was killed while writing it
  }
}
