import { describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { Secret, signingKeyOf } from '@keymesh/kernel';
import type { Statement, TrustRoot } from '@keymesh/contracts';
import { nkeyNamed } from '../test/fixtures.js';
import { foldStatements } from './fold-statements.js';
import { readStatement, signStatement } from './statements.js';

// Frozen: statements about identity rules, as they were first written. They must fold for ever, to this.
const FILE = new URL('../test/golden/identity-rules-1.json', import.meta.url);
const keyOf = (fill: number) => signingKeyOf(new Secret(new Uint8Array(32).fill(fill), 'golden-seed'));
const operator = keyOf(1);
const uuid = (n: number): string => `00000000-0000-4000-8000-00000000002${String(n)}`;
const said = (n: number) => ({
  v: 1 as const,
  meshId: 'golden',
  issuedAt: '2026-11-26T05:00:00.000Z',
  statementId: uuid(n),
  issuer: 'operator',
});
const granted = (n: number, principal: string, key: typeof operator, kind: 'operator' | 'service') => ({
  ...said(n),
  type: 'principal.granted' as const,
  principal,
  kind,
  roles: [kind === 'operator' ? ('operator' as const) : ('reader' as const)],
  nkey: nkeyNamed(principal),
  channelKey: key.publicKeyText,
});
const rule = (n: number, ruleId: string, of: Extract<Statement, { type: 'identity-rule.set' }>['rule']) => ({
  ...said(n),
  type: 'identity-rule.set' as const,
  ruleId,
  rule: of,
  basedOn: of === null ? uuid(n - 1) : null,
});
const statements: readonly Statement[] = [
  granted(1, 'operator', operator, 'operator'),
  granted(2, 'billing', keyOf(5), 'service'),
  rule(3, 'kubernetes', {
    principal: 'billing',
    identity: {
      kind: 'token',
      issuer: 'https://kubernetes.default.svc.cluster.local',
      audience: 'keymesh',
      claims: { sub: 'system:serviceaccount:payments:billing' },
      keys: { from: 'uri', uri: 'https://kubernetes.default.svc/openid/v1/jwks' },
    },
    maxSessionSeconds: 3_600,
    privileged: false,
  }),
  rule(4, 'pinned', {
    principal: 'operator',
    identity: {
      kind: 'token',
      issuer: 'ci',
      audience: 'keymesh',
      claims: { repository: 'example/billing', protected: true },
      keys: { from: 'pinned', keys: [{ kty: 'OKP', crv: 'Ed25519', kid: '1', x: operator.publicKeyText }] },
    },
    maxSessionSeconds: 600,
    privileged: true,
  }),
  rule(5, 'spiffe', {
    principal: 'billing',
    identity: {
      kind: 'certificate',
      authority: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      spiffeId: 'spiffe://example.org/ns/payments/sa/billing',
    },
    maxSessionSeconds: 86_400,
    privileged: false,
  }),
  rule(6, 'spiffe', null),
];
const trustRoot: TrustRoot = {
  v: 1,
  meshId: 'golden',
  meshPublicKey: keyOf(3).publicKeyText,
  bundlePublicKey: keyOf(2).publicKeyText,
  operators: [{ name: 'operator', channelKey: operator.publicKeyText }],
};
const texts = statements.map((statement) => signStatement(statement, operator));
if (process.env.WRITE_GOLDEN === 'true') writeFileSync(FILE, `${JSON.stringify(texts, null, 2)}\n`);
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as string[];

describe('golden statements about identity rules', () => {
  it('still read and fold', () => {
    expect(golden.map((text) => readStatement(text).statement)).toEqual(statements);
    expect(
      foldStatements(trustRoot, golden).identityRules.map(({ ruleId, principal }) => [ruleId, principal]),
    ).toEqual([
      ['kubernetes', 'billing'],
      ['pinned', 'operator'],
    ]);
  });

  it('are still written the same', () => {
    expect(texts).toEqual(golden);
  });
});
