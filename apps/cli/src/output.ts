/** A table for people: columns as wide as they need, no colours, one row a line. */
export function table(
  rows: readonly Readonly<Record<string, unknown>>[],
  columns: readonly string[],
): string {
  const text = (value: unknown): string => {
    if (value === null || value === undefined) return '-';
    if (Array.isArray(value)) return value.join(',') || '-';
    return typeof value === 'string' ? value : JSON.stringify(value);
  };
  const cells = [
    columns.map((column) => column.toUpperCase()),
    ...rows.map((row) => columns.map((column) => text(row[column]))),
  ];
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  return cells
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `key: value` lines for one thing. */
export function facts(thing: Readonly<Record<string, unknown>>): string {
  const width = Math.max(...Object.keys(thing).map((key) => key.length)) + 1;
  return Object.entries(thing)
    .map(
      ([key, value]) =>
        `${`${key}:`.padEnd(width)} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
    .join('\n');
}

/** Writes a line to standard output. */
export const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Writes a line to standard error: notes and progress, never results. */
export const note = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

/** One JSON value on one line: what `--json` prints. */
export const printJson = (value: unknown): void => print(JSON.stringify(value));
