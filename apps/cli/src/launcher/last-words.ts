const HEAP = /^FATAL ERROR: .*/;
const NOTHING = 'it said nothing';

/**
 * What a program that ended badly said last, in one line: its last log line, or the headline of an error that nobody caught. What Node
 * puts after it (stack, details, its own version) says nothing to the person who reads this.
 * @param text the end of its standard error; may begin within a line.
 */
export function lastWords(text: string): string {
  const lines = text.split('\n').map((line) => line.trimEnd());
  const heap = lines.find((line) => HEAP.test(line));
  if (heap !== undefined) return heap;
  const last = lines.findLastIndex((line) => line !== '' && !isVersion(line));
  if (last === -1) return NOTHING;
  const frame = lines.findLastIndex((line) => /^\s+at /.test(line));
  // A stack that is followed by a log line of the program itself was only a note on the way.
  if (frame === -1 || lines.slice(frame).some((line) => line.startsWith('{"'))) return lines[last] ?? NOTHING;
  return headlineBefore(lines, frame) ?? lines[last] ?? NOTHING;
}

const isVersion = (line: string): boolean => /^Node\.js v\d/.test(line);

/** The line that names the error whose stack ends at `frame`: the last one above it that begins as Node prints an error. */
const headlineBefore = (lines: readonly string[], frame: number): string | undefined =>
  lines
    .slice(0, frame)
    .findLast((line) => /^(Uncaught )?[A-Za-z_$][\w$.]*(Error|Exception)\b.*: /.test(line));
