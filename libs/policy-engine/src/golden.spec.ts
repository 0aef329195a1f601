import { describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { Secret, signingKeyOf } from '@keymesh/kernel';
import type { PolicyBundle, Statement, TrustRoot } from '@keymesh/contracts';
import { nkeyNamed } from '../test/fixtures.js';
import { openBundle, signBundle } from './bundle.js';
import { enrolmentIdOf } from './derived-ids.js';
import { readStatement, signStatement } from './statements.js';

// Frozen: what is read here was written by the first release. It must open for ever, and the same input must give the same bytes.
const FILE = new URL('../test/golden/identity-1.json', import.meta.url);
const keyOf = (fill: number) => signingKeyOf(new Secret(new Uint8Array(32).fill(fill), 'golden-seed'));
const [operator, bundleKey, meshKey, token, client] = [1, 2, 3, 4, 5].map(keyOf) as [
  ReturnType<typeof keyOf>,
  ReturnType<typeof keyOf>,
  ReturnType<typeof keyOf>,
  ReturnType<typeof keyOf>,
  ReturnType<typeof keyOf>,
];
const issuedAt = '2026-11-22T09:00:00.000Z';
const base = { v: 1 as const, meshId: 'golden', issuedAt };
const enrolment = enrolmentIdOf(token.publicKeyText);
const uuid = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;
const statements: [Statement, ReturnType<typeof keyOf>][] = [
  [
    {
      ...base,
      statementId: uuid(1),
      issuer: 'operator',
      type: 'principal.granted',
      principal: 'operator',
      kind: 'operator',
      roles: ['operator'],
      nkey: nkeyNamed('operator'),
      channelKey: operator.publicKeyText,
    },
    operator,
  ],
  [
    {
      ...base,
      statementId: enrolment,
      issuer: 'operator',
      type: 'enrolment.issued',
      principal: 'billing',
      kind: 'service',
      roles: ['reader', 'writer'],
      tokenNkey: nkeyNamed('token'),
      tokenKey: token.publicKeyText,
      expiresAt: '2026-11-23T09:00:00.000Z',
    },
    operator,
  ],
  [
    {
      ...base,
      statementId: uuid(3),
      issuer: 'billing',
      type: 'enrolment.completed',
      principal: 'billing',
      enrolment,
      nkey: nkeyNamed('billing'),
      channelKey: client.publicKeyText,
    },
    token,
  ],
  [
    {
      ...base,
      statementId: uuid(4),
      issuer: 'operator',
      type: 'principal.status-set',
      principal: 'billing',
      status: 'disabled',
    },
    operator,
  ],
];
const trustRoot: TrustRoot = {
  v: 1,
  meshId: 'golden',
  meshPublicKey: meshKey.publicKeyText,
  bundlePublicKey: bundleKey.publicKeyText,
  operators: [{ name: 'operator', channelKey: operator.publicKeyText }],
};
const texts = statements.map(([statement, key]) => signStatement(statement, key));
const bundle: PolicyBundle = {
  v: 1,
  meshId: 'golden',
  version: 7,
  issuedAt,
  statements: texts,
  policies: [{ id: 'role.reader', cedar: 'permit(principal, action, resource);' }],
  taken: [{ principal: 'operator', status: 'locked', until: '2026-11-22T10:00:00.000Z', reason: 'golden' }],
};
const bundleBytes = Buffer.from(signBundle(bundle, bundleKey)).toString('base64');

if (process.env.WRITE_GOLDEN === 'true')
  writeFileSync(FILE, `${JSON.stringify({ statements: texts, bundle: bundleBytes }, null, 2)}\n`);
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as { statements: string[]; bundle: string };

describe('golden statements and bundle', () => {
  it('still read as what they say', () => {
    expect(golden.statements.map((text) => readStatement(text).statement)).toEqual(
      statements.map(([statement]) => statement),
    );
    const opened = openBundle(new Uint8Array(Buffer.from(golden.bundle, 'base64')), trustRoot);
    expect(opened.bundle).toEqual(bundle);
    expect(opened.directory.find('billing')).toMatchObject({
      roles: ['reader', 'writer'],
      status: 'disabled',
    });
  });

  it('are still written the same', () => {
    expect(texts).toEqual(golden.statements);
    expect(bundleBytes).toBe(golden.bundle);
  });
});
