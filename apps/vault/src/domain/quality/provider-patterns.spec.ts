import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { looksLikeProvider } from './provider-patterns.js';

// Made at run time, of no account.
const letters = (count: number) =>
  randomBytes(count * 2)
    .toString('base64')
    .replace(/[^A-Za-z0-9]/g, 'a')
    .slice(0, count);
const hex = (count: number) => randomBytes(count).toString('hex').slice(0, count);

const ISSUED: readonly (readonly [provider: string, type: string, value: () => string])[] = [
  ['aws', 'aws_access_key', () => letters(40)],
  ['github', 'api_key', () => `ghp_${letters(36)}`],
  ['GitHub', 'oauth_token', () => `github_pat_${letters(22)}_${letters(59)}`],
  ['gitlab', 'api_key', () => `glpat-${letters(20)}`],
  ['stripe', 'api_key', () => `sk_live_${letters(24)}`],
  ['stripe', 'webhook_secret', () => `whsec_${letters(32)}`],
  ['slack', 'oauth_token', () => `xoxb-${letters(12)}-${letters(24)}`],
  ['google', 'api_key', () => `AIza${letters(35)}`],
  ['openai', 'api_key', () => `sk-proj-${letters(48)}`],
  ['anthropic', 'api_key', () => `sk-ant-api03-${letters(90)}`],
  ['twilio', 'api_key', () => hex(32)],
  ['sendgrid', 'api_key', () => `SG.${letters(22)}.${letters(43)}`],
  ['npm', 'api_key', () => `npm_${letters(36)}`],
  ['pypi', 'api_key', () => `pypi-${letters(150)}`],
  ['azure', 'azure_client_secret', () => `${letters(3)}8Q~${letters(34)}`],
  ['Alpha Vantage', 'api_key', () => letters(16).toUpperCase()],
  ['digitalocean', 'api_key', () => `dop_v1_${hex(64)}`],
];

describe('the shapes of providers', () => {
  it.each(ISSUED)('%s %s', (provider, type, issued) => {
    const value = issued();
    expect(looksLikeProvider(type, provider, Buffer.from(value))).toBe(true);
    expect(looksLikeProvider(type, provider, Buffer.from(`${value}\n`))).toBe(false);
    expect(looksLikeProvider(type, provider, Buffer.from(`!${value}`))).toBe(false);
  });

  it('say nothing of a provider or type that they do not know', () => {
    expect(looksLikeProvider('api_key', 'acme', Buffer.from('x'))).toBeUndefined();
    expect(looksLikeProvider('api_key', undefined, Buffer.from('x'))).toBeUndefined();
    expect(looksLikeProvider('generic', 'github', Buffer.from('x'))).toBeUndefined();
  });

  it('are known of an Azure secret whoever the provider is called', () => {
    expect(looksLikeProvider('azure_client_secret', undefined, Buffer.from('x'))).toBe(false);
  });

  it('do not look at what is longer than any of them', () => {
    expect(looksLikeProvider('api_key', 'pypi', Buffer.from(`pypi-${'a'.repeat(60_000)}`))).toBe(false);
  });
});
