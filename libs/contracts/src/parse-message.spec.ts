import { describe, expect, test } from '@jest/globals';
import { KeymeshError, Secret, utf8 } from '@keymesh/kernel';
import fc from 'fast-check';
import * as contracts from './index.js';
import { parseMessage, storeCredential } from './index.js';

const CANARY = 'Canary-9f2c';

/** The public sentence of a refusal. */
function sentenceOf(schema: Parameters<typeof parseMessage>[0], message: unknown): string {
  try {
    parseMessage(schema, message);
  } catch (error) {
    if (KeymeshError.is(error)) return `${error.code} ${error.publicMessage ?? ''}`;
    throw error;
  }
  return 'valid';
}

const store = {
  name: 'billing/stripe',
  type: 'api_key',
  values: { value: new Secret(utf8('x'), 'spec') },
};

describe('a refusal names field and rule', () => {
  test.each<[string, unknown, string]>([
    ['a type', { ...store, description: 5 }, 'description: must be string'],
    ['a size', { ...store, provider: 'p'.repeat(129) }, 'provider: at most 128'],
    [
      'a choice',
      { ...store, rotation: { adapter: CANARY } },
      'rotation.adapter: must be one of generated, postgres-role',
    ],
    ['an entry of a list', { ...store, tags: ['a', 7] }, 'tags.1: must be string'],
    ['a missing field', { type: 'api_key' }, 'name: must be string'],
    ['a secret as text', { ...store, values: { value: CANARY } }, 'values.*: must be a binary part'],
    ['no object', CANARY, 'message: must be object'],
  ])('%s', (_, message, expected) => {
    const sentence = sentenceOf(storeCredential.request, message);
    expect(sentence).toContain(`BAD_REQUEST The request is not valid. ${expected}`);
    expect(sentence).not.toContain(CANARY);
  });
});

describe('a refusal repeats nothing of the request:', () => {
  test.each<[string, unknown]>([
    ['an unknown field', { ...store, [CANARY]: 1 }],
    ['a part name', { ...store, values: { [CANARY]: new Secret(utf8('x'), 'spec') } }],
    ['a part of a wrong kind, by its name', { ...store, values: { canary_9f2c: 'text' } }],
    ['a settings name', { ...store, rotation: { adapter: 'generated', settings: { [CANARY]: null } } }],
    [
      'a settings name too long',
      { ...store, rotation: { adapter: 'generated', settings: { [CANARY.repeat(9)]: 1 } } },
    ],
    ['a name', { ...store, name: CANARY }],
    ['a time', { ...store, expiresAt: CANARY }],
    ['a nested field', { ...store, rotation: { adapter: 'generated', [CANARY]: 1 } }],
    ['a list in place of an object', [CANARY]],
  ])('%s', (_, message) => {
    const sentence = sentenceOf(storeCredential.request, message);
    expect(sentence).not.toBe('valid');
    expect(sentence.toLowerCase()).not.toMatch(/canary/);
  });

  test('nor does it grow with the number of problems', () => {
    const message = {
      name: 1,
      type: 1,
      provider: 1,
      description: 1,
      tags: 1,
      expiresAt: 1,
      rotation: 1,
      generate: 1,
    };
    expect(sentenceOf(storeCredential.request, message).length).toBeLessThan(400);
  });
});

test('whatever is sent to whatever operation is valid or refused with a coded sentence that repeats none of it', () => {
  const schemas = Object.values(contracts)
    .filter(
      (value): value is typeof storeCredential =>
        typeof value === 'object' && 'request' in value && 'verb' in value,
    )
    .map((contract) => contract.request);
  expect(schemas.length).toBeGreaterThan(20);
  const json = fc.jsonValue({ maxDepth: 3 });
  const marked = fc.dictionary(
    fc.constantFrom(
      'name',
      'type',
      'values',
      'tags',
      'rotation',
      'version',
      'statement',
      'principal',
      CANARY,
      '__proto__',
      'limit',
    ),
    fc.oneof(json, fc.constant(CANARY), fc.constant({ [CANARY]: CANARY }), fc.constant([CANARY])),
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.constantFrom(...schemas), fc.oneof(json, marked), (schema, message) => {
      const sentence = sentenceOf(schema, message);
      expect(sentence).toMatch(/^(valid|BAD_REQUEST The request is not valid\. |[A-Z_]+ $)/);
      expect(sentence).not.toContain(CANARY);
    }),
    { numRuns: 2_000 },
  );
});
