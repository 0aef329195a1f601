import { describe, expect, it } from '@jest/globals';
import { CREDENTIAL_TYPES } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { findWeaknesses, refuseWeak } from '../credential-policy.js';
import { credentialTypeOf, credentialTypes } from './index.js';
import { checkParts } from './plugin.js';

const text = (value: string) => Secret.fromText(value, 'value');
const rules = (type: keyof typeof credentialTypes, value: string) =>
  findWeaknesses(text(value), credentialTypes[type].strength).map(
    ({ rule, severity }) => `${severity}:${rule}`,
  );
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

describe('credential types', () => {
  it('are those of the contract', () => {
    expect(Object.keys(credentialTypes).sort()).toEqual([...CREDENTIAL_TYPES].sort());
    expect(() => credentialTypeOf('certificate')).toThrow(code('CREDENTIAL_TYPE_UNKNOWN'));
    expect(() => credentialTypeOf('constructor')).toThrow(code('CREDENTIAL_TYPE_UNKNOWN'));
  });

  it('take exactly their parts', () => {
    const login = credentialTypes.username_password;
    expect(() => checkParts(login, { username: text('ada'), password: text('x') })).not.toThrow();
    expect(() => checkParts(login, { password: text('x') })).toThrow(code('CREDENTIAL_VALUES_INVALID'));
    expect(() => checkParts(login, { username: text('a'), password: text('x'), value: text('y') })).toThrow(
      code('CREDENTIAL_VALUES_INVALID'),
    );
    expect(() => checkParts(login, { username: text(''), password: text('x') })).toThrow(
      code('CREDENTIAL_EMPTY'),
    );
    expect(() => checkParts(login, { username: text('a'.repeat(257)), password: text('x') })).toThrow(
      code('PAYLOAD_TOO_LARGE'),
    );
  });

  it.each(CREDENTIAL_TYPES)('%s generates values that its own policy accepts without a finding', (type) => {
    const plugin = credentialTypes[type];
    const seen = new Set<string>();
    for (let round = 0; round < 50; round += 1) {
      for (const lengthChars of [16, 40, 256]) {
        const value = plugin.generate(lengthChars);
        expect(value.sizeBytes).toBe(lengthChars);
        expect(findWeaknesses(value, plugin.strength).filter(({ severity }) => severity === 'error')).toEqual(
          [],
        );
        seen.add(Buffer.from(value.expose()).toString('latin1'));
      }
    }
    expect(seen.size).toBe(150);
  });
});

describe('the credential policy', () => {
  it('enforces length, classes and entropy for passwords', () => {
    expect(rules('username_password', 'short')).toEqual([
      'error:min-length',
      'error:special',
      'error:number',
      'error:upper',
      'error:low-entropy',
    ]);
    expect(rules('username_password', 'Password123!')).toEqual(['error:low-entropy']);
    expect(rules('username_password', 'P@ssw0rd1234')).toEqual(['error:low-entropy']);
    expect(rules('username_password', 'Aaaaaaaaaaa1!')).toEqual(['error:low-entropy']);
    expect(rules('username_password', 'xV7!kq-Lw2#tZp')).toEqual([]);
    expect(rules('username_password', 'Grün-Wiese!Tal7Fjord')).toEqual([]);
  });

  it('enforces only the length of issued keys and warns of the rest', () => {
    expect(rules('api_key', 'abc')).toContain('error:min-length');
    expect(rules('api_key', 'demo-demo-demo')).toEqual([
      'warning:number',
      'warning:upper',
      'warning:low-entropy',
    ]);
  });

  it('asks nothing of generic values', () => {
    expect(rules('generic', 'x')).toEqual([]);
  });

  it('refuses with the findings and repeats nothing of the value', () => {
    const findings = findWeaknesses(text('hunter2'), credentialTypes.username_password.strength);
    expect(() => refuseWeak(findings)).toThrow(code('CREDENTIAL_WEAK'));
    expect(JSON.stringify(findings)).not.toMatch(/hunter/);
    expect(() => refuseWeak([{ rule: 'upper', severity: 'warning', advice: '' }])).not.toThrow();
  });

  it('stores nothing for a value of only spaces as a special character', () => {
    expect(rules('username_password', 'Aa1 Bb2 Cc3 Dd4 x')).toContain('error:special');
  });
});
