import { describe, expect, it } from '@jest/globals';
import type { Secret } from '@keymesh/kernel';
import { utf8 } from '@keymesh/kernel';
import { sourceOf, type ParseFile, type ParseOptions } from './import-file.js';
import { parseCsv } from './parse-csv.js';
import { parseEnv } from './parse-env.js';
import { parseJson } from './parse-json.js';

const CANARY = 'cAnArY-7f3a';
const textOf = (part: Secret | undefined) => Buffer.from(part?.expose() ?? []).toString();
const run = (parse: ParseFile, text: string, options: ParseOptions = {}) => {
  const { entries, problems } = parse(utf8(text), options);
  // Nothing of a value is ever in what is said.
  expect(JSON.stringify({ problems, entries })).not.toContain(CANARY);
  return {
    problems: problems.map(({ place, sentence }) => `${place} ${sentence}`),
    entries: entries.map(({ place, item: { values = {}, ...item } }) => ({
      place,
      ...item,
      values: Object.fromEntries(Object.entries(values).map(([name, part]) => [name, textOf(part)])),
    })),
  };
};

describe('a .env file', () => {
  it('gives a credential for each key, in lower case, with the line it begins on', () => {
    const { entries, problems } = run(
      parseEnv,
      '\uFEFF# secrets\nSTRIPE_KEY=abc\nexport DB="two\nlines" # why\n\nRAW=\'a # b\'\r\nSPACED =  x  \n',
      { namespace: 'billing', type: 'generic' },
    );
    expect(problems).toEqual([]);
    expect(entries).toEqual([
      { place: 'line 2', name: 'billing/stripe_key', type: 'generic', values: { value: 'abc' } },
      { place: 'line 3', name: 'billing/db', type: 'generic', values: { value: 'two\nlines' } },
      { place: 'line 6', name: 'billing/raw', type: 'generic', values: { value: 'a # b' } },
      { place: 'line 7', name: 'billing/spaced', type: 'generic', values: { value: 'x' } },
    ]);
  });

  it('names the line and the rule of what it does not take, and goes on', () => {
    const { entries, problems } = run(
      parseEnv,
      `${CANARY}\nA=${CANARY}#${CANARY}\nA=1\nA=2\nEMPTY=\n-x=1\nB=ok\nC="${CANARY}`,
    );
    expect(entries.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(problems).toEqual([
      'line 1 is not KEY=value',
      expect.stringMatching(/^line 2 has a # in a value without quotes/),
      'line 4 names a credential that the file has named before',
      'line 5 has no value',
      expect.stringMatching(/^line 6 has no valid name/),
      'line 8 opens a quote that no line closes',
    ]);
  });

  it('is refused when it is no text', () => {
    expect(parseEnv(new Uint8Array([0xff, 0xfe]), {}).problems).toEqual([
      { place: 'line 1', sentence: 'is not UTF-8 text' },
    ]);
  });
});

describe('a JSON file', () => {
  it('may be flat, or say what belongs to each', () => {
    const { entries, problems } = run(
      parseJson,
      JSON.stringify({
        stripe: 'abc',
        db: { type: 'username_password', username: 'ada', value: 'pw', tags: ['t'], sensitivity: 'high' },
        blob: { type: 'generic', valueBase64: Buffer.from('bytes').toString('base64') },
        oauth: { type: 'oauth_client', values: { client_id: 'id', client_secret: 's' } },
      }),
    );
    expect(problems).toEqual([]);
    expect(entries).toMatchObject([
      { place: 'entry 1', name: 'stripe', type: 'api_key', values: { value: 'abc' } },
      { name: 'db', tags: ['t'], sensitivity: 'high', values: { username: 'ada', password: 'pw' } },
      { name: 'blob', values: { value: 'bytes' } },
      { name: 'oauth', values: { client_id: 'id', client_secret: 's' } },
    ]);
  });

  it('may be a list', () => {
    const { entries } = run(parseJson, JSON.stringify([{ name: 'a', value: 'x' }]), { namespace: 'n' });
    expect(entries).toMatchObject([{ name: 'n/a', type: 'api_key', values: { value: 'x' } }]);
  });

  it('names the entry and the rule of what it does not take, and goes on', () => {
    const { entries, problems } = run(
      parseJson,
      JSON.stringify([
        { name: 'Bad Name', value: CANARY },
        { name: 'a' },
        { name: 'b', value: 7 },
        { name: 'c', value: CANARY, [CANARY]: 1 },
        CANARY,
        { name: 'd', value: 'ok' },
        { name: 'e', value: 'x', expiresAt: 'tomorrow' },
      ]),
    );
    expect(entries.map(({ name }) => name)).toEqual(['d']);
    expect(problems).toEqual(
      [
        expect.stringMatching(/^entry 1 has no valid name/),
        'entry 2 has no value',
        'entry 3 has a value that is not valid',
        expect.stringMatching(/^entry 4 has a field that is none of name, /),
        'entry 5 is neither a text nor an object with a value',
        'entry 7 has a expiresAt that is not valid',
      ].map((problem) =>
        typeof problem === 'string' ? problem.replace('a expiresAt', 'a expiresAt') : problem,
      ),
    );
  });

  it.each([
    ['text', CANARY, 'line 1'],
    ['a broken line', `{"a": "1",\n  "b": ${CANARY}}`, /^line [12] /],
    ['a field named twice', '{"a": "1", "a": "2"}', 'line 1'],
    ['a number', '7', 'line 1'],
  ])('is refused as a whole when it is %s', (_, text, place) => {
    const { entries, problems } = run(parseJson, text);
    expect(entries).toEqual([]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(place);
  });
});

describe('a CSV file', () => {
  it('has a row for each credential, by the columns that its first row names', () => {
    const { entries, problems } = run(
      parseCsv,
      'name,type,provider,username,value,tags,sensitivity,part.host\r\n' +
        'stripe,,stripe,,abc,a; b,,\r\n' +
        'db,database,,ada,"p""w,\nx",,critical,db.internal\r\n',
    );
    expect(problems).toEqual([]);
    expect(entries).toMatchObject([
      {
        place: 'line 2',
        name: 'stripe',
        type: 'api_key',
        provider: 'stripe',
        tags: ['a', 'b'],
        values: { value: 'abc' },
      },
      {
        name: 'db',
        type: 'database',
        sensitivity: 'critical',
        values: { username: 'ada', password: 'p"w,\nx', host: 'db.internal' },
      },
    ]);
  });

  it('keeps bytes that are no text, and takes base64', () => {
    const bytes = Buffer.concat([Buffer.from('name,value\na,'), Buffer.from([0xff, 0x00, 0x80])]);
    const { entries } = parseCsv(bytes, { type: 'generic' });
    expect(Buffer.from(entries[0]?.item.values?.value?.expose() ?? [])).toEqual(
      Buffer.from([0xff, 0x00, 0x80]),
    );
    expect(run(parseCsv, 'name,value_base64\na,YWJj').entries[0]?.values).toEqual({ value: 'abc' });
  });

  it('names the line and the rule of what it does not take, and goes on', () => {
    const { entries, problems } = run(
      parseCsv,
      `name,value,sensitivity\nBad Name,${CANARY},\na,,\nb,${CANARY}\nc,x,very\nd,ok,low\nd,again,`,
    );
    expect(entries.map(({ name }) => name)).toEqual(['d']);
    expect(problems).toEqual([
      expect.stringMatching(/^line 2 has no valid name/),
      'line 3 has no value',
      'line 4 has not 3 fields',
      'line 5 has a sensitivity that is none of low, medium, high, critical',
      'line 7 names a credential that the file has named before',
    ]);
  });

  it.each([
    ['no header', `${CANARY},${CANARY}\n`, /^line 1 must name the columns.*\(column 1 is none\)/],
    ['a column twice', 'name,value,value\n', /^line 1 must name the columns/],
    ['a quote that is not closed', `name,value\na,"${CANARY}`, /^line \d+ is not CSV/],
    ['nothing in it', '', /^line 1 must name/],
  ])('is refused as a whole with %s', (_, text, problem) => {
    const parsed = run(parseCsv, text);
    expect(parsed.entries).toEqual([]);
    expect(parsed.problems).toEqual([expect.stringMatching(problem)]);
  });
});

it.each([
  ['.env', 'env'],
  ['/x/.env.local', 'env'],
  ['prod.env', 'env'],
  ['a.JSON', 'json'],
  ['a.csv', 'csv'],
  ['backup.age', 'bundle'],
  ['a.txt', undefined],
])('%s is by its name a file of the kind %s', (file, source) => {
  expect(sourceOf(file)).toBe(source);
});
