import { describe, expect, it } from '@jest/globals';
import type { CredentialType } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { credentialTypes } from '../types/index.js';
import { assessQuality, refuseWeak, type QualityPorts, type QualityQuestion } from './assess-quality.js';
import { readCommonPasswords } from './common-passwords.js';
import { makeCredentialPolicies } from './credential-policies.js';
import { guessBits } from './guessability.js';

const policyOf = makeCredentialPolicies();
const lists: QualityPorts = { guessBits, isCommon: readCommonPasswords() };
const text = (value: string) => Secret.fromText(value, 'value');
const parts = (type: CredentialType, value: string) =>
  type === 'username_password'
    ? { username: text('ada.lovelace'), password: text(value) }
    : { value: text(value) };
const assess = (
  type: CredentialType,
  value: string,
  more: Partial<QualityQuestion> = {},
  ports: QualityPorts = lists,
) =>
  assessQuality(ports, {
    plugin: credentialTypes[type],
    values: parts(type, value),
    policy: policyOf('default', type),
    known: ['billing', 'stripe'],
    generated: [],
    nowMs: Date.now(),
    ...more,
  });
const rules = async (...asked: Parameters<typeof assess>) =>
  (await assess(...asked)).findings.map(({ rule, severity }) => `${severity}:${rule}`);
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

describe('the quality of a password that somebody chose', () => {
  it('breaks length, classes and guessability, errors first', async () => {
    expect(await rules('username_password', 'short')).toEqual([
      'error:min-length',
      'error:special',
      'error:number',
      'error:upper',
      'error:low-entropy',
    ]);
  });

  it.each(['Password123!', 'P@ssw0rd1234', 'Aaaaaaaaaaa1!', 'Summer-Summer-2024', 'Qwertzuiop-12'])(
    'sees through %s',
    async (password) => {
      expect(await rules('username_password', password)).toEqual(['error:low-entropy']);
    },
  );

  it.each(['xV7!kq-Lw2#tZp', 'Grün-Wiese!Tal7Fjord', 'Orbit-7-plinth-Waxwing!'])(
    'takes %s',
    async (password) => {
      const { findings, score } = await assess('username_password', password);
      expect(findings).toEqual([]);
      expect(score).toBeGreaterThanOrEqual(50);
    },
  );

  it('counts what everybody knows for nothing: the user name and the name of the credential', async () => {
    expect(await rules('username_password', 'Ada.Lovelace-1815!')).toContain('error:low-entropy');
    const password = 'Zorgblatt-7!x';
    const stranger = await assess('username_password', password, { known: [] });
    const named = await assess('username_password', password, { known: ['zorgblatt'] });
    expect(named.score!).toBeLessThan(stranger.score!);
  });

  it('does not take a space for a special character', async () => {
    expect(await rules('username_password', 'Aa1 Bb2 Cc3 Dd4 x')).toContain('error:special');
  });

  it('knows the common ones, in any case', async () => {
    expect(await rules('username_password', 'TrustNo1')).toContain('error:common');
    expect((await assess('username_password', 'TrustNo1')).score).toBe(0);
  });

  it('is not measured in a way that a long one could hold everything up with', async () => {
    const before = process.cpuUsage();
    await assess('username_password', 'Xy7!'.repeat(1_000));
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(5_000);
  });
});

describe('the quality of what a provider issued', () => {
  it('is refused for its length alone; the rest warns', async () => {
    expect(await rules('api_key', 'abc')).toContain('error:min-length');
    expect(await rules('api_key', 'demo-demo-demo')).toEqual([
      'warning:number',
      'warning:upper',
      'warning:low-entropy',
    ]);
  });

  it('is held against the shape of its provider, with a warning', async () => {
    const provider = 'alpha_vantage';
    expect(await rules('api_key', 'ABCDEFGHJKLMNP12', { provider })).not.toContain('warning:provider-format');
    expect(await rules('api_key', 'xV7!kq-Lw2#tZp-93', { provider })).toEqual(['warning:provider-format']);
  });
});

describe('quality in general', () => {
  it('asks nothing of generic values and has no number for them', async () => {
    expect(await assess('generic', 'x')).toMatchObject({ findings: [], score: null });
  });

  it('does not judge what the vault has made itself', async () => {
    expect(await assess('username_password', 'abc', { generated: ['password'] })).toMatchObject({
      findings: [],
      score: 100,
    });
  });

  it('takes every rule as strictly as the policy of the place says', async () => {
    const policy = (strictness: 'enforce' | 'warn' | 'off') => ({
      policy: { ...policyOf('default', 'username_password'), rules: { 'low-entropy': strictness } },
    });
    expect(await rules('username_password', 'Password123!', policy('warn'))).toEqual(['warning:low-entropy']);
    expect(await rules('username_password', 'Password123!', policy('off'))).toEqual([]);
  });

  it('looks a value up in the list of leaks, unless that rule is off', async () => {
    let asked = 0;
    const ports = { ...lists, isBreached: () => Promise.resolve((asked += 1) > 0) };
    const good = 'xV7!kq-Lw2#tZp';
    expect(await rules('username_password', good, {}, ports)).toEqual(['error:breached']);
    const policy = { ...policyOf('default', 'username_password'), rules: { breached: 'off' as const } };
    expect(await rules('username_password', good, { policy }, ports)).toEqual([]);
    expect(asked).toBe(1);
  });

  it('refuses with the findings and repeats nothing of the value', async () => {
    const { findings } = await assess('username_password', 'hunter2-canary');
    expect(() => refuseWeak(findings)).toThrow(code('CREDENTIAL_WEAK'));
    expect(JSON.stringify(findings)).not.toMatch(/hunter|canary/);
    expect(() => refuseWeak(findings.map((finding) => ({ ...finding, severity: 'warning' })))).not.toThrow();
  });
});
