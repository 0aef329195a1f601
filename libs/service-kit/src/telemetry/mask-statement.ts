const MAX_CHARS = 1_000;

// One pass, so that a quote inside a comment or a name opens nothing. What is never closed reaches to the end.
// SOURCE: PostgreSQL 18 manual, section 4.1 "Lexical Structure".
const TOKEN = new RegExp(
  [
    /(?<comment>--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))/,
    /(?<name>"(?:[^"]|"")*(?:"|$))/,
    /\$(?<tag>[A-Za-z_][A-Za-z0-9_]*)?\$[\s\S]*?(?:\$\k<tag>\$|$)/,
    /\b[eE]'(?:[^'\\]|''|\\[\s\S])*(?:'|$)/,
    /'(?:[^']|'')*(?:'|$)/,
    /(?<![\w$.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);

/**
 * An SQL statement without what stands in it literally: strings, dollar-quoted texts and numbers become `?`, comments go; parameters (`$1`) and
 * names stay. Our statements bind their values, but some cannot (ALTER ROLE … PASSWORD), so nothing literal goes into a span.
 */
export function maskStatement(text: string): string {
  const masked = text.replace(TOKEN, (token, ...rest) => {
    const groups = rest.at(-1) as { readonly comment?: string; readonly name?: string };
    if (groups.comment !== undefined) return ' ';
    return groups.name === undefined ? '?' : token;
  });
  return masked.replace(/\s+/g, ' ').trim().slice(0, MAX_CHARS);
}
