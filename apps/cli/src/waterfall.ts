/** A span as the launcher keeps it. Times in nanoseconds since the epoch, as decimal text. */
export interface StoredSpan {
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly service: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly error: boolean;
}

const BAR_WIDTH = 40;

/** Draws the spans of one trace as an indented tree with bars on a common time axis. Orphans stand at the top. */
export function waterfall(spans: readonly StoredSpan[]): string {
  const ids = new Set(spans.map((span) => span.spanId));
  const byStart = [...spans].sort((a, b) =>
    Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)),
  );
  const first = BigInt(byStart[0]?.startTimeUnixNano ?? 0);
  const last = byStart.reduce(
    (end, span) => (BigInt(span.endTimeUnixNano) > end ? BigInt(span.endTimeUnixNano) : end),
    first,
  );
  const totalMs = Math.max(Number(last - first) / 1e6, 0.001);
  const lines: string[] = [];
  const draw = (span: StoredSpan, depth: number): void => {
    const offsetMs = Number(BigInt(span.startTimeUnixNano) - first) / 1e6;
    const durationMs = Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6;
    const from = Math.min(Math.floor((offsetMs / totalMs) * BAR_WIDTH), BAR_WIDTH - 1);
    const width = Math.max(1, Math.min(Math.round((durationMs / totalMs) * BAR_WIDTH), BAR_WIDTH - from));
    const bar = `${' '.repeat(from)}${'█'.repeat(width)}`.padEnd(BAR_WIDTH);
    const label = `${'  '.repeat(depth)}${span.name}${span.error ? ' ✗' : ''}`;
    lines.push(
      `${span.service.padEnd(18)} ${label.padEnd(44)} ${bar} ${durationMs.toFixed(2).padStart(9)} ms`,
    );
    for (const child of byStart) if (child.parentSpanId === span.spanId) draw(child, depth + 1);
  };
  for (const span of byStart) if (span.parentSpanId === null || !ids.has(span.parentSpanId)) draw(span, 0);
  return `${spans.length} spans, ${totalMs.toFixed(2)} ms\n${lines.join('\n')}`;
}
