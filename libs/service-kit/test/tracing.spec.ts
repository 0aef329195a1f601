import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import { startProgram } from './support/start-program.js';

interface SpanLine {
  readonly name: string;
  readonly attributes: Record<string, string>;
  readonly status: object;
  readonly parent?: string;
}

let postgres: TestPostgres;
let text: string;
let spans: SpanLine[];

beforeAll(async () => {
  postgres = await startTestPostgres();
  const program = startProgram('query-main.ts', {
    KEYMESH_DATABASE_URL: postgres.deployUrl,
    KEYMESH_DATABASE_PASSWORD_FILE: postgres.passwordFile,
  });
  expect(await program.exit).toBe(0);
  text = program.text();
  spans = text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as SpanLine);
}, 60_000);
afterAll(() => postgres.stop());

describe('Postgres spans, in ESM', () => {
  it('are children of the operation, with the statement', () => {
    const queries = spans.filter(({ name }) => name.startsWith('pg.query'));
    expect(queries.map(({ attributes }) => attributes['db.query.text'])).toEqual([
      'SELECT $1::text, ?',
      'SELECT ?::int',
    ]);
    expect(queries.every(({ parent }) => parent !== undefined)).toBe(true);
    expect(spans.map(({ name }) => name)).toContain('operation');
  });

  it('hold no bound value, literal or error text', () => {
    expect(text).toContain('pg.query');
    expect(text).not.toContain('cnry');
    const refused = spans.filter(
      ({ attributes }) =>
        attributes['error.type'] !== undefined || JSON.stringify(attributes).includes('int'),
    );
    expect(refused).toHaveLength(1);
    expect(refused[0]?.status).toEqual({ code: 2 });
  });

  it('are not made outside an operation', () => expect(text).not.toContain('outside'));
});
