const MAX_CHARS = 1_000;

/**
 * An SQL statement without what stands in it literally: strings, dollar-quoted texts and numbers become `?`; parameters (`$1`) stay.
 * Our statements bind their values, but some cannot (ALTER ROLE … PASSWORD), so nothing literal goes into a span.
 */
export function maskStatement(text: string): string {
  // An unclosed string is masked to the end. SOURCE: PostgreSQL 18 manual, section 4.1.2.
  const masked = text
    .replace(/--[^\n]*/g, ' ')
    .replace(/\$([A-Za-z_][A-Za-z0-9_]*)?\$[\s\S]*?(\$\1\$|$)/g, '?')
    .replace(/\b[eE]'(?:[^'\\]|''|\\[\s\S])*('|$)/g, '?')
    .replace(/'(?:[^']|'')*('|$)/g, '?')
    .replace(/(?<![\w$".])\d+(\.\d+)?\b/g, '?');
  return masked.replace(/\s+/g, ' ').trim().slice(0, MAX_CHARS);
}
