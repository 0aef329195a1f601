/**
 * What changes from one text to another, line by line: `- ` gone, `+ ` new, two spaces for what stays. Quadratic: for texts of a few
 * hundred lines.
 */
export function lineDiff(before: string | null, after: string | null): string {
  const [a, b] = [linesOf(before), linesOf(after)];
  const common = longestCommon(a, b);
  const told: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      told.push(`  ${a[i] ?? ''}`);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && length(common, i + 1, j) >= length(common, i, j + 1))) {
      told.push(`- ${a[i] ?? ''}`);
      i += 1;
    } else {
      told.push(`+ ${b[j] ?? ''}`);
      j += 1;
    }
  }
  return told.join('\n');
}

const linesOf = (text: string | null): readonly string[] => (text === null ? [] : text.split('\n'));
const length = (table: readonly (readonly number[])[], i: number, j: number): number => table[i]?.[j] ?? 0;

/** Lengths of the longest common subsequence of what begins at line i of one and line j of the other. */
function longestCommon(a: readonly string[], b: readonly string[]): readonly (readonly number[])[] {
  const table: number[][] = Array.from({ length: a.length + 1 }, () =>
    new Array<number>(b.length + 1).fill(0),
  );
  for (let i = a.length - 1; i >= 0; i -= 1) {
    const row = table[i] ?? [];
    for (let j = b.length - 1; j >= 0; j -= 1)
      row[j] =
        a[i] === b[j]
          ? length(table, i + 1, j + 1) + 1
          : Math.max(length(table, i + 1, j), length(table, i, j + 1));
  }
  return table;
}
