import { describe, expect, test } from '@jest/globals';
import { format, inspect } from 'node:util';
import { serialize } from 'node:v8';
import { KeymeshError, Secret } from './index.js';

const VALUE = 'canary-9f2c-value';
const make = (): Secret => Secret.fromText(VALUE, 'api-key');

/** Any form that the value could take in a log: text, base64, hex, a list of its bytes. */
function shows(output: string | Uint8Array): boolean {
  const text = Buffer.from(output).toString('latin1');
  const bytes = Buffer.from(VALUE);
  const forms = [
    VALUE,
    bytes.toString('base64'),
    bytes.toString('hex'),
    [...bytes].join(','),
    [...bytes].join(', '),
  ];
  return (
    forms.some((form) => text.includes(form)) || /\b99, 97, 110\b/.test(text) || text.includes('63 61 6e')
  );
}

/** What pino and its like do: walk an object and stringify, by toJSON or by own keys. */
function walk(value: unknown, depth = 0): string {
  if (typeof value !== 'object' || value === null || depth > 5) return String(value);
  return Reflect.ownKeys(value)
    .map((key) => `${String(key)}=${walk((value as Record<PropertyKey, unknown>)[key], depth + 1)}`)
    .join(' ');
}

/** Past the type checker, which would not let a Secret become text. */
const asText = (value: unknown): string => value as string;

const WAYS: Record<string, (secret: Secret) => string | Uint8Array> = {
  'a template': (secret) => `value: ${asText(secret)}`,
  concatenation: (secret) => 'value: ' + asText(secret),
  'String()': String,
  'toLocaleString()': (secret: Secret) => asText(secret).toLocaleString(),
  JSON: (secret) => JSON.stringify({ secret, list: [secret], deep: { a: { b: { secret } } } }),
  inspect: (secret) => inspect({ secret, list: [secret] }, { depth: null, showHidden: true }),
  'inspect without custom functions': (secret) =>
    inspect(
      { secret },
      { depth: null, showHidden: true, customInspect: false, showProxy: true, getters: true },
    ),
  'util.format': (secret) => format('%s %o %O %j %d %i', secret, secret, secret, secret, secret, secret),
  'an error': (secret) =>
    inspect(new Error(`failed with ${asText(secret)}`, { cause: secret }), { depth: null }),
  'a KeymeshError': (secret) =>
    inspect(new KeymeshError('INTERNAL', { details: { secret } }), { depth: null }),
  'a spread': (secret) => JSON.stringify({ ...(secret as object) }),
  'Object.assign': (secret) => inspect(Object.assign({}, secret), { depth: null, showHidden: true }),
  'its keys and values': (secret) =>
    JSON.stringify([Object.entries(secret), Object.getOwnPropertyDescriptors(secret)]),
  'a walking serializer': walk,
  structuredClone: (secret) => inspect(structuredClone(secret), { depth: null, showHidden: true }),
  'v8.serialize': (secret) => serialize(secret),
  'a Map and a Set': (secret) => inspect([new Map([['k', secret]]), new Set([secret])], { depth: null }),
};

describe('a Secret does not show its value in', () => {
  test.each(Object.entries(WAYS))('%s', (_, way) => {
    expect(shows(way(make()))).toBe(false);
  });

  test('(control) any of these ways shows a value that is no Secret', () => {
    const plain = { value: VALUE, toString: () => VALUE } as unknown as Secret;
    const cloneable = ['structuredClone', 'v8.serialize'];
    for (const [name, way] of Object.entries(WAYS).filter(([name]) => !cloneable.includes(name)))
      expect([name, shows(way(plain))]).toEqual([name, true]);
    for (const name of cloneable)
      expect(shows(WAYS[name]!({ value: VALUE } as unknown as Secret))).toBe(true);
  });

  test('a template: it says what it is instead', () => {
    expect(`key: ${asText(make())}`).toBe('key: <redacted:api-key>');
    expect(JSON.stringify({ key: make() })).toBe('{"key":"<redacted:api-key>"}');
  });
});

describe('a Secret', () => {
  test('gives its bytes to expose alone, and knows their size', () => {
    expect(Buffer.from(make().expose()).toString()).toBe(VALUE);
    expect(make().sizeBytes).toBe(VALUE.length);
  });

  test('is zeros after dispose, and refuses to be used or compared', () => {
    const bytes = Uint8Array.from([1, 2, 3]);
    const secret = new Secret(bytes, 'gone');
    secret.dispose();
    secret.dispose();
    expect([...bytes]).toEqual([0, 0, 0]);
    expect(() => secret.expose()).toThrow('after dispose');
    const other = new Secret(new Uint8Array(3), 'zeros');
    expect(() => secret.equals(other)).toThrow('after dispose');
    expect(() => other.equals(secret)).toThrow('after dispose');
  });

  test('is disposed at the end of a using block, also by a throw', () => {
    const bytes = Uint8Array.from([1, 2, 3]);
    expect(() => {
      using secret = new Secret(bytes, 'scoped');
      throw new Error(String(secret.sizeBytes));
    }).toThrow('3');
    expect([...bytes]).toEqual([0, 0, 0]);
  });

  test('equals another of the same bytes, and no other', () => {
    expect(make().equals(make())).toBe(true);
    expect(make().equals(Secret.fromText(`${VALUE}x`, 'api-key'))).toBe(false);
    expect(make().equals(Secret.fromText(VALUE.replace('c', 'd'), 'api-key'))).toBe(false);
  });
});
