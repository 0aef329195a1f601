import { createHmac, createPublicKey, randomUUID, sign as signBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { IssuerKeys as KeySource } from '@keymesh/contracts';
import { HOUR, MINUTE, SECOND, toBase64Url, utf8 } from '@keymesh/kernel';
import type { IdentityRule } from '@keymesh/policy-engine';
import { makeTestClock } from '@keymesh/testing';
import {
  makeIssuerKey as makeKey,
  signToken,
  startLocalIssuer,
  type IssuerKey as Key,
  type LocalIssuer,
} from '../../test/support/local-issuer.js';
import { fetchJson } from './fetch-json.js';
import { makeVerifyToken, type TokenVerdict, type VerifyToken } from './verify-token.js';

const clock = makeTestClock();
const seconds = (fromNow = 0): number => Math.floor(clock.now() / SECOND) + fromNow;
let issuer: LocalIssuer;
let verify: VerifyToken;

beforeEach(async () => {
  issuer = await startLocalIssuer();
  verify = makeVerifyToken({ fetchJson, clock });
});
afterEach(() => issuer.stop().catch(() => undefined));

const ruleOf = (
  ruleId: string,
  claims: Record<string, string | boolean>,
  keys: KeySource = { from: 'discovery' },
  audience = 'keymesh',
): IdentityRule => ({
  ruleId,
  principal: 'billing',
  identity: { kind: 'token', issuer: issuer.url, audience, claims, keys },
  maxSessionSeconds: 600,
  privileged: false,
  statementId: randomUUID(),
  setBy: 'operator',
  setAt: new Date(0).toISOString(),
});
const billing = () => [ruleOf('billing', { sub: 'billing' })];

/** Undefined: without it. */
type Claims = Readonly<Record<string, unknown>>;
const sign = (claims: Claims = {}, key: Key = issuer.keys[0]!, head: Claims = {}): Promise<string> =>
  signToken(key, { ...payload(), ...claims }, head);
const told = (verdict: TokenVerdict): string =>
  'refused' in verdict ? verdict.refused : `rule ${verdict.rule.ruleId}`;
const verdictOf = async (token: string | Promise<string>, rules = billing()): Promise<string> =>
  told(await verify(await token, rules));

/** A token with any header and payload whatever, and a signature that somebody made. */
const raw = (head: unknown, payload: unknown, signer: (input: string) => string): string => {
  const input = [head, payload].map((part) => toBase64Url(utf8(JSON.stringify(part)))).join('.');
  return `${input}.${signer(input)}`;
};
const payload = () => ({
  iss: issuer.url,
  aud: 'keymesh',
  sub: 'billing',
  iat: seconds(),
  exp: seconds(300),
});

describe('a token of a local issuer', () => {
  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'] as const)(
    'signed with %s fits its rule, and ends with it',
    async (alg) => {
      issuer.keys = [makeKey(alg)];
      expect(await verify(await sign(), billing())).toMatchObject({
        rule: { ruleId: 'billing' },
        endsMs: seconds(300) * SECOND,
      });
    },
  );

  it.each<[string, Claims, string]>([
    ['of another audience', { aud: 'other' }, 'audience'],
    ['without an audience', { aud: undefined }, 'audience'],
    ['with another subject', { sub: 'other' }, 'claims'],
    ['without a subject', { sub: undefined }, 'claims'],
    ['that is over', { iat: seconds(-600), exp: seconds(-31) }, 'expired'],
    ['that never ends', { exp: undefined }, 'malformed'],
    ['that does not hold yet', { nbf: seconds(31) }, 'not-yet-valid'],
    ['from the future', { iat: seconds(31) }, 'not-yet-valid'],
    ['of no time', { iat: undefined }, 'malformed'],
    ['of another issuer', { iss: 'https://other.example' }, 'no-rule'],
    ['with one more audience', { aud: ['other', 'keymesh'] }, 'rule billing'],
    ['a moment over', { exp: seconds(-29) }, 'rule billing'],
  ])('%s', async (_what, claims, verdict) => {
    expect(await verdictOf(sign(claims))).toBe(verdict);
  });

  it('fits exactly one rule or none', async () => {
    const rules = [...billing(), ruleOf('prod', { environment: 'prod' }), ruleOf('other', { sub: 'other' })];
    expect(await verdictOf(sign(), rules)).toBe('rule billing');
    expect(await verdictOf(sign({ sub: 'x', environment: 'prod' }), rules)).toBe('rule prod');
    expect(await verdictOf(sign({ environment: 'prod' }), rules)).toBe('ambiguous');
    expect(await verdictOf(sign({ sub: 'x', environment: ['prod'] }), rules)).toBe('claims');
    // The same proof under pinned keys is the same proof.
    const pinned = ruleOf(
      'pinned',
      { sub: 'billing' },
      { from: 'pinned', keys: [pinnedKey(issuer.keys[0]!)] },
    );
    expect(await verdictOf(sign(), [...billing(), pinned])).toBe('ambiguous');
    expect(await verdictOf(sign(), [])).toBe('no-rule');
  });

  const pinnedKey = ({ jwk: { x = '', y = '', kid = '' } }: Key) => ({
    kty: 'EC' as const,
    crv: 'P-256' as const,
    x,
    y,
    kid,
  });

  it('asks nobody where the keys are pinned', async () => {
    const rule = ruleOf('pinned', { sub: 'billing' }, { from: 'pinned', keys: [pinnedKey(issuer.keys[0]!)] });
    expect(await verdictOf(sign(), [rule])).toBe('rule pinned');
    expect(issuer.asked).toBe(0);
    expect(await verdictOf(sign({}, makeKey('ES256', issuer.keys[0]!.kid)), [rule])).toBe('signature');
  });
});

describe('a token that is not what it says', () => {
  it('is refused with no signature, a shared secret, and a public key taken for one', async () => {
    issuer.keys = [makeKey('RS256', 'one')];
    const pem = createPublicKey(issuer.keys[0]!.privateKey).export({ format: 'pem', type: 'spki' }) as string;
    const hmac = (key: string) => (input: string) =>
      createHmac('sha256', key).update(input).digest('base64url');
    for (const alg of ['none', 'None', 'NONE', ''])
      expect(await verdictOf(raw({ alg }, payload(), () => ''))).toMatch(/^(algorithm|malformed)$/);
    expect(await verdictOf(raw({ alg: 'HS256', kid: 'one' }, payload(), hmac(pem)))).toBe('algorithm');
    expect(await verdictOf(raw({ alg: 'RS256', kid: 'one' }, payload(), hmac(pem)))).toBe('signature');
  });

  it('is refused when a key of another kind is named, whoever’s it is', async () => {
    const [rsa, ec, thief] = [makeKey('RS256', 'rsa'), makeKey('ES256', 'ec'), makeKey('ES256', 'thief')];
    issuer.keys = [rsa, ec];
    // Named after a key that is there, signed by one that is not.
    expect(await verdictOf(sign({}, thief, { kid: 'ec' }))).toBe('signature');
    expect(await verdictOf(sign({}, thief, { kid: 'rsa' }))).toBe('key');
    expect(await verdictOf(sign({}, ec, { kid: 'rsa' }))).toBe('key');
    expect(await verdictOf(sign({}, thief))).toBe('key');
    // A key that it brings along is nobody's.
    expect(await verdictOf(sign({}, thief, { kid: 'thief', jwk: thief.jwk }))).toBe('key');
    expect(await verdictOf(sign({}, thief, { kid: 'thief', jku: `${issuer.url}/own` }))).toBe('key');
    // Without a name only where there is no doubt.
    expect(await verdictOf(sign({}, ec, { kid: undefined }))).toBe('rule billing');
    issuer.keys = [ec, makeKey('ES256', 'ec2')];
    clock.advance(11 * MINUTE);
    expect(await verdictOf(sign({}, ec, { kid: undefined }))).toBe('key');
  });

  it('is refused for another kind of token', async () => {
    expect(await verdictOf(sign({}, issuer.keys[0], { typ: 'JWT' }))).toBe('rule billing');
    expect(await verdictOf(sign({}, issuer.keys[0], { typ: 'at+jwt' }))).toBe('rule billing');
    expect(await verdictOf(sign({}, issuer.keys[0], { typ: 'logout+jwt' }))).toBe('type');
    const critical = { alg: 'ES256', kid: issuer.keys[0]!.kid, crit: ['exp'], exp: 1 };
    const signed = (head: object) =>
      raw(head, payload(), (input) =>
        signBytes('sha256', utf8(input), {
          key: issuer.keys[0]!.privateKey,
          dsaEncoding: 'ieee-p1363',
        }).toString('base64url'),
      );
    expect(await verdictOf(signed({ ...critical, crit: undefined }))).toBe('rule billing');
    expect(await verdictOf(signed(critical))).toBe('malformed');
  });

  it('is refused before it is read when it is huge', async () => {
    const before = process.cpuUsage();
    expect(await verdictOf(sign({ padding: 'x'.repeat(20_000) }))).toBe('malformed');
    expect(await verdictOf('.'.repeat(5_000_000))).toBe('malformed');
    expect(await verdictOf(`${'A'.repeat(8_000)}.${'A'.repeat(8_000)}.`)).toBe('malformed');
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(2_000);
    expect(issuer.asked).toBe(0);
  });
});

describe('an issuer', () => {
  it('may change its keys: a new one is fetched when it is first seen, seldom', async () => {
    expect(await verdictOf(sign())).toBe('rule billing');
    const [asked, old] = [issuer.asked, issuer.keys[0]!];
    issuer.keys = [makeKey()];
    clock.advance(11 * SECOND);
    expect(await verdictOf(sign())).toBe('rule billing');
    expect(issuer.asked).toBe(asked * 2);
    expect(await verdictOf(sign({}, old))).toBe('key');
    // Strangers' keys make us ask no more than once in ten seconds.
    for (let tries = 0; tries < 20; tries++) expect(await verdictOf(sign({}, makeKey()))).toBe('key');
    expect(issuer.asked).toBe(asked * 2);
    clock.advance(11 * SECOND);
    await Promise.all(Array.from({ length: 20 }, async () => verdictOf(sign({}, makeKey()))));
    expect(issuer.asked).toBe(asked * 3);
  });

  it('may be away: its last keys serve for a day', async () => {
    expect(await verdictOf(sign())).toBe('rule billing');
    const rules = billing();
    const now = () => sign({ iss: rules[0]!.identity.kind === 'token' ? rules[0]!.identity.issuer : '' });
    const early = await now();
    await issuer.stop();
    clock.advance(MINUTE);
    expect(told(await verify(early, rules))).toBe('rule billing');
    clock.advance(24 * HOUR);
    expect(told(await verify(early, rules))).toBe('keys-unavailable');
  });

  it.each<[string, (path: string) => string | undefined]>([
    [
      'speaks for another one',
      (path) =>
        path.startsWith('/.well')
          ? JSON.stringify({ issuer: 'https://x.example', jwks_uri: `${issuer.url}/keys` })
          : undefined,
    ],
    [
      'keeps its keys where no TLS is',
      (path) =>
        path.startsWith('/.well')
          ? JSON.stringify({ issuer: issuer.url, jwks_uri: 'http://192.0.2.1/keys' })
          : undefined,
    ],
    ['sends us elsewhere', (path) => (path === '/keys' ? `${issuer.url}/others` : undefined)],
    ['answers with anything', () => 'not JSON'],
    ['answers with much', () => JSON.stringify({ keys: [], more: 'x'.repeat(300_000) })],
    ['answers with depth', () => '['.repeat(1_000)],
  ])('that %s gives no keys', async (_what, answer) => {
    issuer.answer = answer;
    expect(await verdictOf(sign())).toBe('keys-unavailable');
    issuer.answer = undefined;
    clock.advance(11 * SECOND);
    expect(await verdictOf(sign())).toBe('rule billing');
  });

  it('has no shared secrets among its keys', async () => {
    const secret = { kty: 'oct', k: toBase64Url(utf8('secret'.repeat(8))), kid: 'oct', alg: 'HS256' };
    issuer.answer = (path) => (path === '/keys' ? JSON.stringify({ keys: [secret] }) : undefined);
    const forged = raw({ alg: 'HS256', kid: 'oct' }, payload(), (input) =>
      createHmac('sha256', 'secret'.repeat(8)).update(input).digest('base64url'),
    );
    expect(await verdictOf(forged)).toBe('algorithm');
    expect(await verdictOf(sign({}, makeKey('ES256', 'oct')))).toBe('key');
  });
});
