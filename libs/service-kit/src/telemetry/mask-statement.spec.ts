import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { maskStatement } from './mask-statement.js';

describe('maskStatement', () => {
  it.each([
    ['SELECT a FROM t WHERE id = $1 AND n = 42', 'SELECT a FROM t WHERE id = $1 AND n = ?'],
    [`ALTER ROLE app PASSWORD 'it''s secret'`, 'ALTER ROLE app PASSWORD ?'],
    [`SELECT E'a\\'b', 'c'`, 'SELECT ?, ?'],
    ['SELECT $$secret$$, $t$se$$cret$t$', 'SELECT ?, ?'],
    ['SELECT 1 -- secret\n, 2', 'SELECT ? , ?'],
    ['SELECT 1 /* secret */, 2', 'SELECT ? , ?'],
    [`SELECT 'never closed`, 'SELECT ?'],
    ['SELECT t1.c2 FROM "schema9".t1', 'SELECT t1.c2 FROM "schema9".t1'],
    [`SELECT 1 AS "odd'name", 'secret'`, `SELECT ? AS "odd'name", ?`],
    ["SELECT $t$ it's $t$, 1.5e-3", 'SELECT ?, ?'],
  ])('masks %s', (statement, masked) => expect(maskStatement(statement)).toBe(masked));

  it('lets no quoted text through, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), (text) => {
        const quoted = `'cnry${text.replaceAll("'", "''")}cnry'`;
        const masked = maskStatement(`ALTER ROLE "a" PASSWORD ${quoted} VALID UNTIL 'infinity'`);
        expect(masked).not.toContain('cnry');
      }),
    );
  });
});
