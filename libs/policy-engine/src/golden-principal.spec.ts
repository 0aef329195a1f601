import { describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { Secret, signingKeyOf } from '@keymesh/kernel';
import type { Statement, TrustRoot } from '@keymesh/contracts';
import { nkeyNamed } from '../test/fixtures.js';
import { foldStatements } from './fold-statements.js';
import { proveKey } from './key-proof.js';
import { readStatement, signStatement } from './statements.js';

// Frozen: statements about principals and their keys, as they were first written. They must fold for ever, to this.
const FILE = new URL('../test/golden/identity-2.json', import.meta.url);
const keyOf = (fill: number) => signingKeyOf(new Secret(new Uint8Array(32).fill(fill), 'golden-seed'));
const operator = keyOf(1);
const [first, second] = [keyOf(5), keyOf(6)];
const base = { v: 1 as const, meshId: 'golden', issuedAt: '2026-11-26T02:00:00.000Z' };
const uuid = (n: number): string => `00000000-0000-4000-8000-00000000001${String(n)}`;
const about = (n: number) => ({
  ...base,
  statementId: uuid(n),
  issuer: 'operator',
  principal: 'billing' as const,
});
const granted = (n: number, principal: string, key: typeof operator, kind: 'operator' | 'service') => ({
  ...about(n),
  type: 'principal.granted' as const,
  principal,
  kind,
  roles: [kind === 'operator' ? ('operator' as const) : ('reader' as const)],
  nkey: nkeyNamed(principal),
  channelKey: key.publicKeyText,
});
const statements: readonly [Statement, typeof operator][] = [
  [granted(1, 'operator', operator, 'operator'), operator],
  [granted(2, 'billing', first, 'service'), operator],
  [{ ...about(3), type: 'principal.roles-set', before: ['reader'], roles: ['reader', 'writer'] }, operator],
  [
    {
      ...about(4),
      type: 'principal.attributes-set',
      attributes: {
        team: 'payments',
        environment: 'prod',
        networks: ['10.1.0.0/16'],
        labels: { tier: 'gold' },
      },
    },
    operator,
  ],
  [
    {
      ...about(5),
      issuer: 'billing',
      type: 'principal.keys-added',
      nkeys: [nkeyNamed('billing 2')],
      channelKeys: [
        {
          key: second.publicKeyText,
          proof: proveKey({ meshId: 'golden', statementId: uuid(5), principal: 'billing' }, second),
        },
      ],
    },
    first,
  ],
  [
    {
      ...about(6),
      issuer: 'billing',
      type: 'principal.keys-removed',
      nkeys: [nkeyNamed('billing')],
      channelKeys: [first.publicKeyText],
    },
    second,
  ],
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

describe('golden statements about principals', () => {
  it('still read and fold', () => {
    expect(golden.map((text) => readStatement(text).statement)).toEqual(statements.map(([said]) => said));
    expect(foldStatements(trustRoot, golden).find('billing')).toMatchObject({
      roles: ['reader', 'writer'],
      nkeys: [nkeyNamed('billing 2')],
      channelKeys: [second.publicKeyText],
      attributes: { environment: 'prod', networks: ['10.1.0.0/16'] },
    });
  });

  it('are still written the same', () => {
    expect(texts).toEqual(golden);
  });
});
