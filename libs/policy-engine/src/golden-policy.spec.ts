import { describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { Secret, signingKeyOf } from '@keymesh/kernel';
import type { Statement, TrustRoot } from '@keymesh/contracts';
import { nkeyNamed } from '../test/fixtures.js';
import { foldStatements } from './fold-statements.js';
import { readStatement, signStatement } from './statements.js';

// Frozen: statements about policies, as they were first written. They must fold for ever, to this.
const FILE = new URL('../test/golden/policies-1.json', import.meta.url);
const keyOf = (fill: number) => signingKeyOf(new Secret(new Uint8Array(32).fill(fill), 'golden-seed'));
const [operator, second] = [keyOf(1), keyOf(7)];
const uuid = (n: number): string => `00000000-0000-4000-8000-00000000002${String(n)}`;
const base = (n: number, issuer = 'operator') => ({
  v: 1 as const,
  meshId: 'golden',
  issuedAt: '2026-11-26T05:00:00.000Z',
  statementId: uuid(n),
  issuer,
});
const granted = (n: number, principal: string, key: typeof operator) => ({
  ...base(n),
  type: 'principal.granted' as const,
  principal,
  kind: 'operator' as const,
  roles: ['operator' as const],
  nkey: nkeyNamed(principal),
  channelKey: key.publicKeyText,
});
const CEDAR =
  '@id("prod")\nforbid(principal, action, resource) when { resource has namespace && resource.namespace == "prod" };';
const policyId = 'prod';
const statements: readonly [Statement, typeof operator][] = [
  [granted(1, 'operator', operator), operator],
  [granted(2, 'second', second), operator],
  [{ ...base(3), type: 'policy.set', policyId, cedar: CEDAR, twoPerson: true, basedOn: null }, operator],
  [{ ...base(4, 'second'), type: 'policy.confirmed', policyId, change: uuid(3) }, second],
  [{ ...base(5), type: 'policy.set', policyId, cedar: null, twoPerson: false, basedOn: uuid(3) }, operator],
];
const trustRoot: TrustRoot = {
  v: 1,
  meshId: 'golden',
  meshPublicKey: keyOf(3).publicKeyText,
  bundlePublicKey: keyOf(2).publicKeyText,
  operators: [{ name: 'operator', channelKey: operator.publicKeyText }],
};
const texts = statements.map(([statement, key]) => signStatement(statement, key));
if (process.env.WRITE_GOLDEN === 'true') writeFileSync(FILE, `${JSON.stringify(texts, null, 2)}\n`);
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as string[];

describe('golden statements about policies', () => {
  it('still read and fold', () => {
    expect(golden.map((text) => readStatement(text).statement)).toEqual(statements.map(([said]) => said));
    const directory = foldStatements(trustRoot, golden);
    expect(directory.policies).toMatchObject([
      { policyId, cedar: CEDAR, twoPerson: true, setBy: 'operator', confirmedBy: 'second' },
    ]);
    expect(directory.pendingPolicies).toMatchObject([{ policyId, cedar: null, statementId: uuid(5) }]);
  });

  it('are still written the same', () => {
    expect(texts).toEqual(golden);
  });
});
