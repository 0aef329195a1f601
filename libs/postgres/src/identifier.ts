const IDENTIFIER = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * Quotes an SQL identifier of ours (schema, role, table).
 * @throws Error unless it is plain lower case: a caller's text must never get here.
 */
export function identifier(name: string): string {
  if (!IDENTIFIER.test(name)) throw new Error('an identifier of ours is [a-z_][a-z0-9_]{0,62}');
  return `"${name}"`;
}
