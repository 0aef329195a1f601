import { describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { fromBase64Url, Secret, signingKeyOf, toBase64Url } from '@keymesh/kernel';
import type { PolicyBundle, Statement, TrustRoot } from '@keymesh/contracts';
import { nkeyNamed } from '../test/fixtures.js';
import { openBundle, signBundle } from './bundle.js';
import { foldStatements } from './fold-statements.js';
import { signStatement } from './statements.js';

// Frozen: a bundle with kill switches, and the statement that lifts one, as they were first written.
const FILE = new URL('../test/golden/kill-switch-1.json', import.meta.url);
const keyOf = (fill: number) => signingKeyOf(new Secret(new Uint8Array(32).fill(fill), 'golden-seed'));
const [operator, bundleKey, mesh, billing] = [1, 2, 3, 5].map(keyOf) as [
  ReturnType<typeof keyOf>,
  ReturnType<typeof keyOf>,
  ReturnType<typeof keyOf>,
  ReturnType<typeof keyOf>,
];
const issuedAt = '2026-11-26T05:00:00.000Z';
const uuid = (n: number): string => `00000000-0000-4000-8000-0000000000${String(40 + n)}`;
const base = { v: 1 as const, meshId: 'golden', issuedAt, issuer: 'operator' };
const granted = (n: number, principal: string, key: typeof operator, kind: 'operator' | 'service') => ({
  ...base,
  statementId: uuid(n),
  type: 'principal.granted' as const,
  principal,
  kind,
  roles: [kind === 'operator' ? ('operator' as const) : ('reader' as const)],
  nkey: nkeyNamed(principal),
  channelKey: key.publicKeyText,
});
const said: readonly Statement[] = [
  granted(1, 'operator', operator, 'operator'),
  granted(2, 'billing', billing, 'service'),
  { ...base, statementId: uuid(3), type: 'kill-switch.lifted', killId: uuid(11) },
];
const kill = { reason: 'golden', since: issuedAt, by: 'operator' };
const bundle: PolicyBundle = {
  v: 1,
  meshId: 'golden',
  version: 7,
  issuedAt,
  statements: said.map((statement) => signStatement(statement, operator)),
  policies: [],
  taken: [],
  kills: [
    { killId: uuid(11), scope: 'everyone', ...kill },
    { killId: uuid(12), scope: 'principal', name: 'billing', ...kill },
    { killId: uuid(13), scope: 'role', name: 'writer', ...kill },
    { killId: uuid(14), scope: 'namespace', name: 'payments/eu', ...kill },
  ],
};
const trustRoot: TrustRoot = {
  v: 1,
  meshId: 'golden',
  meshPublicKey: mesh.publicKeyText,
  bundlePublicKey: bundleKey.publicKeyText,
  operators: [{ name: 'operator', channelKey: operator.publicKeyText }],
};
const written = { statements: bundle.statements, bundle: toBase64Url(signBundle(bundle, bundleKey)) };
if (process.env.WRITE_GOLDEN === 'true') writeFileSync(FILE, `${JSON.stringify(written, null, 2)}\n`);
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as typeof written;

describe('golden kill switches', () => {
  it('still open: three stand, the lifted one does not', () => {
    const { directory } = openBundle(fromBase64Url(golden.bundle)!, trustRoot);
    expect(directory.kills.map(({ scope }) => scope)).toEqual(['principal', 'role', 'namespace']);
    expect(directory.find('billing')?.status).toBe('killed');
    expect(directory.find('operator')?.status).toBe('active');
    expect(foldStatements(trustRoot, golden.statements).liftingOf(uuid(11))).toEqual({
      by: 'operator',
      at: issuedAt,
    });
  });

  it('are still written the same', () => {
    expect(written).toEqual(golden);
  });
});
