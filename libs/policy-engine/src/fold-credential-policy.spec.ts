import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { MAX_CREDENTIAL_POLICY_CHARS, type Role, type Statement, type TrustRoot } from '@keymesh/contracts';
import { Secret, signingKeyOf } from '@keymesh/kernel';
import fc from 'fast-check';
import { at, codeOf, invite, makeTestMesh, nkeyNamed, say } from '../test/fixtures.js';
import { readCredentialPolicy } from './credential-policy-versions.js';
import type { Directory } from './directory.js';
import { foldStatements } from './fold-statements.js';
import { signStatement } from './statements.js';

const mesh = makeTestMesh();
const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const set = (n: number, document: object | string | null, basedOn: number | null, issuer = 'operator') =>
  say(
    'credential-policy.set',
    {
      statementId: uuid(n),
      document: document === null || typeof document === 'string' ? document : JSON.stringify(document),
      basedOn: basedOn === null ? null : uuid(basedOn),
      issuedAt: at(n),
      issuer,
    },
    mesh.operatorKey,
  );
const fold = (...texts: string[]): Directory => foldStatements(mesh.trustRoot, [...mesh.genesis, ...texts]);
const STRICT = { defaults: { minLengthChars: 20 } };
const LAX = { defaults: { minLengthChars: 8 } };

describe('the credential policy of a mesh', () => {
  it('is what was written last, by whom and when; null takes it back', () => {
    expect(fold().credentialPolicy).toBeNull();
    const [first, second, none] = [set(1, STRICT, null), set(2, LAX, 1), set(3, null, 2)];
    expect(fold(first, second).credentialPolicy).toEqual({
      document: JSON.stringify(LAX),
      statementId: uuid(2),
      setBy: 'operator',
      setAt: at(2),
    });
    expect(readCredentialPolicy(fold(first, second))).toEqual({
      document: LAX,
      statementId: uuid(2),
      isOutdated: false,
    });
    expect(fold(first, second, none).credentialPolicy).toBeNull();
    expect(readCredentialPolicy(fold(first, second, none))).toBeUndefined();
  });

  it('is not undone unseen, nor taken back where there is none', () => {
    const first = set(1, STRICT, null);
    expect(codeOf(() => fold(first, set(2, LAX, null)))).toBe('STATEMENT_REJECTED');
    expect(codeOf(() => fold(first, set(2, LAX, 9)))).toBe('STATEMENT_REJECTED');
    expect(codeOf(() => fold(set(1, null, null)))).toBe('STATEMENT_REJECTED');
    expect(codeOf(() => fold(first, set(0, LAX, 1)))).toBe('STATEMENT_REJECTED'); // said before it
  });

  it('is written by operators and security administrators alone', () => {
    const writes = (roles: Role[]) => {
      const who = invite(mesh, 'somebody', roles);
      const said = say(
        'credential-policy.set',
        { document: '{}', basedOn: null, issuer: 'somebody', issuedAt: at(90) },
        who.keys.channel,
      );
      return codeOf(() => fold(who.statement, who.complete(), said));
    };
    expect(writes(['security-admin'])).toBeUndefined();
    for (const role of ['reader', 'writer', 'auditor', 'rotator'] as const)
      expect(writes([role])).toBe('STATEMENT_REJECTED');
  });

  it('of a later release, which nobody here can read, leaves the one before it in force', () => {
    const later = fold(set(1, STRICT, null), set(2, { defaults: { colour: 'red' } }, 1));
    expect(readCredentialPolicy(later)).toEqual({
      document: STRICT,
      statementId: uuid(1),
      isOutdated: true,
    });
    expect(readCredentialPolicy(fold(set(1, '[]', null)))).toBeUndefined();
  });

  it('is bounded, and folds whatever it says', () => {
    expect(codeOf(() => set(1, 'x'.repeat(MAX_CREDENTIAL_POLICY_CHARS + 1), null))).toBe(
      'STATEMENT_REJECTED',
    );
    fc.assert(
      fc.property(fc.string({ minLength: 2 }), (document) => {
        const directory = fold(set(1, document, null));
        expect(directory.credentialPolicy?.document).toBe(document);
        readCredentialPolicy(directory);
      }),
    );
  });

  // Frozen: it must fold for ever, to this.
  it('is still written and read as it was', () => {
    const FILE = new URL('../test/golden/credential-policy-1.json', import.meta.url);
    const keyOf = (fill: number) => signingKeyOf(new Secret(new Uint8Array(32).fill(fill), 'golden-seed'));
    const operator = keyOf(1);
    const base = { v: 1 as const, meshId: 'golden', issuer: 'operator' };
    const statements: Statement[] = [
      {
        ...base,
        ...{ statementId: uuid(1), issuedAt: '2026-11-26T05:00:00.000Z', type: 'principal.granted' },
        ...{ principal: 'operator', kind: 'operator', roles: ['operator'] },
        ...{ nkey: nkeyNamed('operator'), channelKey: operator.publicKeyText },
      },
      {
        ...base,
        ...{ statementId: uuid(2), issuedAt: '2026-11-26T05:01:00.000Z', type: 'credential-policy.set' },
        ...{ document: JSON.stringify(STRICT), basedOn: null },
      },
    ];
    const texts = statements.map((statement) => signStatement(statement, operator));
    if (process.env.WRITE_GOLDEN === 'true')
      writeFileSync(FILE, `${JSON.stringify({ statements: texts }, null, 2)}\n`);
    const golden = JSON.parse(readFileSync(FILE, 'utf8')) as { statements: string[] };
    expect(texts).toEqual(golden.statements);
    const trustRoot: TrustRoot = {
      v: 1,
      meshId: 'golden',
      meshPublicKey: keyOf(3).publicKeyText,
      bundlePublicKey: keyOf(2).publicKeyText,
      operators: [{ name: 'operator', channelKey: operator.publicKeyText }],
    };
    const { credentialPolicy } = foldStatements(trustRoot, golden.statements);
    expect(credentialPolicy).toMatchObject({ document: JSON.stringify(STRICT), setBy: 'operator' });
  });
});
