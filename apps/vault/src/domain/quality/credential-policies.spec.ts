import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GENERAL_RULE_NAMES, parseCredentialPolicy, TYPE_RULE_NAMES } from '@keymesh/contracts';
import { credentialTypes } from '../types/index.js';
import { GENERAL_RULES, maxAgeMsOf, intervalSecondsOf } from './credential-policy.js';
import { makeCredentialPolicies } from './credential-policies.js';

const policiesOf = (file: unknown) => {
  const { policy, problems } = parseCredentialPolicy(JSON.stringify(file));
  expect(problems).toEqual([]);
  return makeCredentialPolicies(policy);
};

describe('the credential policy', () => {
  it('may name the rules that there are, and no others', () => {
    expect(GENERAL_RULES.map(({ rule }) => rule)).toEqual([...GENERAL_RULE_NAMES]);
    const general = new Set<string>(GENERAL_RULE_NAMES);
    const ofTypes = Object.values(credentialTypes)
      .flatMap(({ rules = [] }) => rules.map(({ rule }) => rule))
      .filter((rule) => !general.has(rule));
    expect([...new Set(ofTypes)].sort()).toEqual([...TYPE_RULE_NAMES].sort());
  });

  it('is, where nothing is said, 12 characters, 90 days and a rotation every 30', () => {
    const policy = makeCredentialPolicies()('default', 'username_password');
    expect(policy).toMatchObject({
      minLengthChars: 12,
      maxAgeDays: 90,
      rotationIntervalDays: 30,
      atExpiry: 'serve',
    });
    expect(maxAgeMsOf(policy)).toBe(90 * 86_400_000);
    expect(intervalSecondsOf(policy)).toBe(30 * 86_400);
  });

  it('lets the type differ from it: what a provider issues does not age, and its letters only warn', () => {
    const policy = makeCredentialPolicies()('default', 'api_key');
    expect(maxAgeMsOf(policy)).toBeNull();
    expect(policy.rules).toMatchObject({ special: 'warn', 'low-entropy': 'warn' });
    expect(policy.rules['min-length']).toBeUndefined();
  });

  it('takes a namespace before the defaults, a longer prefix before a shorter, and a type before both', () => {
    const policyOf = policiesOf({
      defaults: { minLengthChars: 14, maxAgeDays: 60 },
      types: { webhook_secret: { maxAgeDays: 10 } },
      namespaces: {
        billing: { minLengthChars: 16, rules: { reused: 'enforce' } },
        'billing/eu': { minLengthChars: 20, types: { webhook_secret: { minLengthChars: 32 } } },
      },
    });
    expect(policyOf('default', 'username_password')).toMatchObject({ minLengthChars: 14, maxAgeDays: 60 });
    expect(policyOf('billing', 'username_password').minLengthChars).toBe(16);
    expect(policyOf('billing/eu/west', 'username_password')).toMatchObject({
      minLengthChars: 20,
      rules: { reused: 'enforce' },
    });
    expect(policyOf('billing/eu', 'webhook_secret')).toMatchObject({ minLengthChars: 32, maxAgeDays: 10 });
    // The type's own word stands against what is said in general.
    expect(policyOf('billing', 'api_key').maxAgeDays).toBeNull();
    expect(policyOf('billingx', 'username_password').minLengthChars).toBe(14);
  });

  it('goes by whole segments of a namespace', () => {
    const policyOf = policiesOf({ namespaces: { 'a/b': { minLengthChars: 20 } } });
    expect(policyOf('a', 'generic').minLengthChars).toBe(12);
    expect(policyOf('a/bc', 'generic').minLengthChars).toBe(12);
    expect(policyOf('a/b', 'generic').minLengthChars).toBe(20);
  });

  it.each([
    ['not JSON', '{', /must name a file that holds a JSON object/],
    ['nothing', '', /must name a file that holds a JSON object/],
    ['a field that is named twice', '{"defaults":{},"defaults":{}}', /in which each field is named once/],
    ['a list', '[]', /must name a file that holds a JSON object/],
    ['an unknown field', '{"default":{}}', /the file has the unknown field default/],
    ['an unknown rule', '{"defaults":{"rules":{"lenght":"warn"}}}', /rules → lenght is no rule/],
    [
      'another strictness',
      '{"defaults":{"rules":{"upper":"on"}}}',
      /upper must be one of enforce, warn, off/,
    ],
    ['an unknown type', '{"types":{"certificate":{}}}', /types → certificate is no credential type/],
    ['no namespace', '{"namespaces":{"A b":{}}}', /namespaces → A b is no namespace/],
    ['a length of 0', '{"defaults":{"minLengthChars":0}}', /minLengthChars must be at least 1/],
    ['an age of -1', '{"defaults":{"maxAgeDays":-1}}', /maxAgeDays must be more than 0 days/],
    [
      'an end that there is not',
      '{"defaults":{"atExpiry":"delete"}}',
      /atExpiry must be one of serve, refuse/,
    ],
  ])('refuses %s with a sentence', (_what, text, sentence) => {
    const { problems } = parseCredentialPolicy(text);
    expect(problems.join('; ')).toMatch(sentence);
  });

  it('is read or refused, whatever JSON it is, and leaves no trace in what all objects inherit', () => {
    const keys = fc.constantFrom(
      'defaults',
      'types',
      'namespaces',
      'rules',
      '__proto__',
      'constructor',
      'api_key',
      'a/b',
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ depthSize: 'small' }, fc.jsonValue(), fc.dictionary(keys, tie('tree'))),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const { policy, problems } = parseCredentialPolicy(JSON.stringify(value));
        makeCredentialPolicies(policy)('a/b', 'api_key');
        if (problems.length > 0) expect(policy).toEqual({});
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
    );
    const inherited = parseCredentialPolicy('{"namespaces":{"__proto__":{"minLengthChars":1}}}');
    expect(makeCredentialPolicies(inherited.policy)('a', 'generic').minLengthChars).toBe(12);
  });

  it('names everything that is wrong at once', () => {
    expect(
      parseCredentialPolicy('{"defaults":{"minLengthChars":0,"maxAgeDays":0},"x":1}').problems,
    ).toHaveLength(3);
  });
});
