import { describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { Secret, signingKeyOf } from '@keymesh/kernel';
import type { Approval, Statement, TrustRoot } from '@keymesh/contracts';
import { nkeyNamed } from '../test/fixtures.js';
import { hashContent, isContentOf, requestDigestOf } from './approvable-request.js';
import { readApproval, signApproval } from './approvals.js';
import { foldStatements } from './fold-statements.js';
import { readStatement, signStatement } from './statements.js';

// Frozen: approvals and break-glass, as they were first written. They must read and fold for ever, to this.
const FILE = new URL('../test/golden/approvals-1.json', import.meta.url);
const keyOf = (fill: number) => signingKeyOf(new Secret(new Uint8Array(32).fill(fill), 'golden-seed'));
const [operator, oncall] = [keyOf(1), keyOf(5)];
const base = { v: 1 as const, meshId: 'golden' };
const uuid = (n: number): string => `00000000-0000-4000-8000-00000000002${String(n)}`;
const about = (n: number, issuer: string, minute: number) => ({
  ...base,
  statementId: uuid(n),
  issuer,
  issuedAt: `2026-11-26T02:${String(minute).padStart(2, '0')}:00.000Z`,
  principal: 'oncall' as const,
});
const granted = (n: number, principal: string, key: typeof operator, kind: 'operator' | 'service') => ({
  ...about(n, 'operator', 0),
  type: 'principal.granted' as const,
  principal,
  kind,
  roles: [kind === 'operator' ? ('operator' as const) : ('break-glass' as const)],
  nkey: nkeyNamed(principal),
  channelKey: key.publicKeyText,
});
const statements: readonly [Statement, typeof operator][] = [
  [granted(1, 'operator', operator, 'operator'), operator],
  [granted(2, 'oncall', oncall, 'service'), operator],
  [{ ...about(3, 'oncall', 1), type: 'break-glass.opened', until: '2026-11-26T03:00:00.000Z' }, oncall],
  [{ ...about(4, 'oncall', 2), type: 'break-glass.closed', openingId: uuid(3) }, oncall],
  [
    { ...about(5, 'operator', 3), type: 'break-glass.reviewed', openingId: uuid(3), justified: false },
    operator,
  ],
];
const approval: Approval = {
  ...base,
  approvalId: uuid(6),
  request: {
    principal: 'billing',
    action: 'retrieve',
    resource: { kind: 'credential', id: uuid(7) },
    version: 3,
    stage: 'previous',
    purpose: 'audit',
  },
  approver: 'oncall',
  issuedAt: '2026-11-26T02:00:00.000Z',
  expiresAt: '2026-11-26T03:00:00.000Z',
};
const trustRoot: TrustRoot = {
  v: 1,
  meshId: 'golden',
  meshPublicKey: keyOf(3).publicKeyText,
  bundlePublicKey: keyOf(2).publicKeyText,
  operators: [{ name: 'operator', channelKey: operator.publicKeyText }],
};
const written = {
  statements: statements.map(([statement, key]) => signStatement(statement, key)),
  approval: signApproval(approval, oncall),
  requestDigest: requestDigestOf('golden', approval.request),
};
if (process.env.WRITE_GOLDEN === 'true') writeFileSync(FILE, `${JSON.stringify(written, null, 2)}\n`);
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as typeof written;

describe('golden break-glass statements', () => {
  it('still read and fold', () => {
    expect(golden.statements.map((text) => readStatement(text).statement)).toEqual(
      statements.map(([said]) => said),
    );
    expect(foldStatements(trustRoot, golden.statements).openings).toEqual([
      {
        openingId: uuid(3),
        principal: 'oncall',
        openedAt: '2026-11-26T02:01:00.000Z',
        until: '2026-11-26T03:00:00.000Z',
        closedAt: '2026-11-26T02:02:00.000Z',
        closedBy: 'oncall',
        reviewedAt: '2026-11-26T02:03:00.000Z',
        reviewedBy: 'operator',
        justified: false,
      },
    ]);
  });
});

describe('a golden approval', () => {
  it('still reads, and is still of the same request', () => {
    const held = readApproval(golden.approval);
    expect(held).toMatchObject({ approval, signer: oncall.publicKeyText });
    expect(requestDigestOf('golden', held.approval.request)).toBe(golden.requestDigest);
  });

  it('is still written the same, as the statements are', () => {
    expect(written).toEqual(golden);
  });
});

// Frozen too: an approval of what is to be written, to the letter.
const CONTENT_FILE = new URL('../test/golden/approvals-2.json', import.meta.url);
const { content, contentHash } = hashContent({
  type: 'policy.set',
  policyId: 'prod',
  cedar: 'permit(principal, action, resource); // é',
  twoPerson: false,
  basedOn: null,
});
const ofContent: Approval = {
  ...approval,
  request: {
    ...{ principal: 'operator', action: 'policy.write', resource: { kind: 'policy', id: 'prod' } },
    contentHash,
  },
};
const writtenContent = {
  content,
  approval: signApproval(ofContent, oncall),
  requestDigest: requestDigestOf('golden', ofContent.request),
};
if (process.env.WRITE_GOLDEN === 'true')
  writeFileSync(CONTENT_FILE, `${JSON.stringify(writtenContent, null, 2)}\n`);

describe('a golden approval of what is to be written', () => {
  it('still reads, is still written the same, and is of that content to the byte', () => {
    const frozen = JSON.parse(readFileSync(CONTENT_FILE, 'utf8')) as typeof writtenContent;
    expect(writtenContent).toEqual(frozen);
    const { request } = readApproval(frozen.approval).approval;
    expect(requestDigestOf('golden', request)).toBe(frozen.requestDigest);
    expect(isContentOf(frozen.content, request.contentHash!)).toBe(true);
    expect(isContentOf(frozen.content.replace('é', 'e'), request.contentHash!)).toBe(false);
  });
});
