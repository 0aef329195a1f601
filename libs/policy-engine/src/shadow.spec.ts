import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Secret, signingKeyOf, type SigningKey } from '@keymesh/kernel';
import type { ShadowPolicies, Statement, TrustRoot } from '@keymesh/contracts';
import {
  at,
  bundleOf,
  codeOf,
  granted,
  makeTestClock,
  makeTestMesh,
  nkeyNamed,
  say,
} from '../test/fixtures.js';
import { BUILT_IN_POLICIES } from './built-in-policies.js';
import { openBundle, signBundle } from './bundle.js';
import { foldStatements } from './fold-statements.js';
import { makePolicyEngine } from './engine.js';
import { policyPrincipal } from './policy-principal.js';
import { shadowDigestOf, shadowSetOf } from './shadow.js';
import { signStatement } from './statements.js';

const mesh = makeTestMesh();
const clock = makeTestClock();
const FORBID: ShadowPolicies = [{ policyId: 'f', cedar: 'forbid(principal, action, resource);' }];
const writerKey = signingKeyOf(new Secret(new Uint8Array(32).fill(9), 'spec-seed'));
const writer = granted('writer', ['security-admin'], writerKey, mesh.operatorKey);
const put = (policies: ShadowPolicies | null, by: SigningKey = mesh.operatorKey, over = {}) =>
  say(
    'policy.shadow-set',
    { digest: policies === null ? null : shadowDigestOf(policies), issuedAt: at(90), ...over },
    by,
  );
const directoryOf = (...statements: string[]) =>
  foldStatements(mesh.trustRoot, [...mesh.genesis, writer, ...statements], { clock });

describe('policies in the shadow', () => {
  it('are put there, replaced and ended by those who write policies, and by nobody else', () => {
    expect(directoryOf().shadow).toBeUndefined();
    const statementId = randomUUID();
    const byWriter = put(FORBID, writerKey, { issuer: 'writer', statementId });
    expect(directoryOf(byWriter).shadow).toEqual({
      ...{ shadowId: statementId, digest: shadowDigestOf(FORBID), setBy: 'writer', setAt: at(90) },
    });
    const again = directoryOf(byWriter, put([]));
    expect(again.shadow?.setBy).toBe('operator');
    expect(directoryOf(byWriter, put(null)).shadow).toBeUndefined();
    expect(codeOf(() => directoryOf(put(null)))).toBe('STATEMENT_REJECTED');
    const reader = granted('reader', ['reader'], writerKey, mesh.operatorKey);
    const statements = [...mesh.genesis, reader, put(FORBID, writerKey, { issuer: 'reader' })];
    expect(codeOf(() => foldStatements(mesh.trustRoot, statements, { clock }))).toBe('STATEMENT_REJECTED');
  });

  it('count only with the texts that were signed', () => {
    const directory = directoryOf(put(FORBID));
    expect(shadowSetOf({ shadow: FORBID }, directory)?.policies).toEqual([
      ...BUILT_IN_POLICIES,
      { id: 'policy.f', cedar: FORBID[0]!.cedar },
    ]);
    const other = [{ policyId: 'f', cedar: 'permit(principal, action, resource);' }];
    expect(shadowSetOf({ shadow: other }, directory)).toBeUndefined();
    expect(shadowSetOf({}, directory)).toBeUndefined();
    expect(shadowSetOf({ shadow: FORBID }, directoryOf())).toBeUndefined();
  });

  it('decide nothing, whatever a bundle carries', () => {
    const statements = [...mesh.genesis, put(FORBID)];
    for (const shadow of [FORBID, [{ policyId: 'p', cedar: 'permit(principal, action, resource);' }]]) {
      const bytes = signBundle(
        bundleOf(statements, { version: 5, policies: [...BUILT_IN_POLICIES], shadow }),
        mesh.bundleKey,
      );
      const { bundle, directory } = openBundle(bytes, mesh.trustRoot, { clock });
      const engine = makePolicyEngine(bundle, directory);
      expect(engine.policies).toEqual(BUILT_IN_POLICIES);
      const decide = (name: string, action: 'retrieve' | 'destroy') =>
        engine.decide({
          principal: policyPrincipal(directory.find(name)!),
          action,
          resource: { kind: 'credential', id: 'c', attributes: {} },
          context: {},
        }).effect;
      expect([decide('operator', 'retrieve'), decide('_vault', 'destroy')]).toEqual(['permit', 'forbid']);
    }
  });

  it('have one digest in whatever order they are', () => {
    const [a, b] = [
      { policyId: 'a', cedar: 'permit(principal, action, resource);' },
      { policyId: 'b', cedar: 'forbid(principal, action, resource);' },
    ];
    expect(shadowDigestOf([a, b])).toBe(shadowDigestOf([b, a]));
    expect(shadowDigestOf([a])).not.toBe(shadowDigestOf([a, b]));
  });
});

// Frozen: a shadow as it was first written. It must read and fold for ever, to this.
const FILE = new URL('../test/golden/shadow-1.json', import.meta.url);
interface Golden {
  readonly trustRoot: TrustRoot;
  readonly statements: readonly string[];
  readonly policies: ShadowPolicies;
  readonly shadow: unknown;
}

describe('the golden shadow', () => {
  it('is signed, folded and digested as it was', () => {
    const [operator, meshKey, bundleKey] = [1, 3, 4].map((fill) =>
      signingKeyOf(new Secret(new Uint8Array(32).fill(fill), 'golden-seed')),
    );
    const trustRoot: TrustRoot = {
      v: 1,
      meshId: 'golden',
      meshPublicKey: meshKey!.publicKeyText,
      bundlePublicKey: bundleKey!.publicKeyText,
      operators: [{ name: 'operator', channelKey: operator!.publicKeyText }],
    };
    const said = (n: number) => ({
      ...{ v: 1 as const, meshId: 'golden', issuer: 'operator' },
      statementId: `00000000-0000-4000-8000-00000000003${String(n)}`,
      issuedAt: `2026-11-26T02:0${String(n)}:00.000Z`,
    });
    const statements: Statement[] = [
      {
        ...said(1),
        ...{ type: 'principal.granted', principal: 'operator', kind: 'operator', roles: ['operator'] },
        ...{ nkey: nkeyNamed('operator'), channelKey: operator!.publicKeyText },
      },
      { ...said(2), type: 'policy.shadow-set', digest: shadowDigestOf([]) },
      { ...said(3), type: 'policy.shadow-set', digest: null },
      { ...said(4), type: 'policy.shadow-set', digest: shadowDigestOf(FORBID) },
    ];
    const texts = statements.map((statement) => signStatement(statement, operator!));
    const made = { trustRoot, statements: texts, policies: FORBID };
    const fold = (golden: Pick<Golden, 'trustRoot' | 'statements'>) =>
      foldStatements(golden.trustRoot, golden.statements).shadow;
    if (process.env.WRITE_GOLDEN === 'true')
      writeFileSync(FILE, `${JSON.stringify({ ...made, shadow: fold(made) }, null, 2)}\n`);
    const golden = JSON.parse(readFileSync(FILE, 'utf8')) as Golden;
    expect(golden).toEqual({ ...made, shadow: fold(golden) });
    expect(shadowDigestOf(golden.policies)).toBe((golden.shadow as { digest: string }).digest);
  });
});
