import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { concat, makeSigningKey, signTextFor, toBase64Url, utf8, type SigningKey } from '@keymesh/kernel';
import type { ApprovableRequest, Approval, PolicyBundle, PolicyRequest, Role } from '@keymesh/contracts';
import fc from 'fast-check';
import {
  at,
  bundleOf,
  codeOf,
  granted,
  makeTestClock,
  makeTestMesh,
  MESH_ID,
  nkeyNamed,
  say,
  START,
} from '../test/fixtures.js';
import { proveKey } from './key-proof.js';
import { approvableOf, requestDigestOf } from './approvable-request.js';
import { readApproval, signApproval } from './approvals.js';
import { approvalsGiven } from './approvals-given.js';
import { approvalsNeeded } from './approvals-needed.js';
import { openBundle, signBundle } from './bundle.js';
import { makePolicyEngine } from './engine.js';
import { policyPrincipal } from './policy-principal.js';
import { canonicalBytes } from './signed-text.js';

const mesh = makeTestMesh();
const clock = makeTestClock(START + 60_000);
const key = (): SigningKey => makeSigningKey().key;
const keys = {
  billing: key(),
  alice: key(),
  aliceLaptop: key(),
  bob: key(),
  carol: key(),
  gone: key(),
  clerk: key(),
};
const person = (name: string, roles: Role[], own: SigningKey): string =>
  granted(name, roles, own, mesh.operatorKey);
const secondKey = (): string => {
  const statementId = randomUUID();
  const binding = { meshId: MESH_ID, statementId, principal: 'alice' };
  const channelKeys = [{ key: keys.aliceLaptop.publicKeyText, proof: proveKey(binding, keys.aliceLaptop) }];
  const draft = { ...binding, issuer: 'alice', issuedAt: at(1), nkeys: [nkeyNamed('laptop')], channelKeys };
  return say('principal.keys-added', draft, keys.alice);
};
const TWO = `forbid(principal, action == Keymesh::Action::"retrieve", resource) when { resource has sensitivity && resource.sensitivity == "critical" } unless { context has approvals && context.approvals >= 2 };`;
const statements = [
  ...mesh.genesis,
  person('billing', ['reader', 'operator'], keys.billing),
  person('alice', ['security-admin'], keys.alice),
  person('bob', ['security-admin'], keys.bob),
  person('carol', ['security-admin'], keys.carol),
  person('gone', ['security-admin'], keys.gone),
  person('clerk', ['reader'], keys.clerk),
  secondKey(),
  say('principal.status-set', { principal: 'gone', status: 'disabled', issuedAt: at(2) }, mesh.operatorKey),
  say(
    'policy.set',
    { policyId: 'two', cedar: TWO, twoPerson: false, basedOn: null, issuedAt: at(3) },
    mesh.operatorKey,
  ),
];

/** What the vault makes of a bundle that whoever holds the bundle key made. */
function open(approvals: string[], taken: PolicyBundle['taken'] = []) {
  const bytes = signBundle(bundleOf(statements, { approvals, taken }), mesh.bundleKey);
  const { bundle, directory } = openBundle(bytes, mesh.trustRoot, { clock });
  return { directory, engine: makePolicyEngine(bundle, directory) };
}
const plain = open([]);
const asked: PolicyRequest = {
  principal: policyPrincipal(plain.directory.find('billing')!),
  action: 'retrieve',
  resource: { kind: 'credential', id: 'c1', attributes: { namespace: 'pay', sensitivity: 'critical' } },
  context: { service: 'vault', channel: 'encrypted' },
};
const request: ApprovableRequest = approvableOf(asked)!;
const approvalBy = (approver: string, over: Partial<Approval> = {}): Approval => ({
  v: 1,
  meshId: MESH_ID,
  approvalId: '00000000-0000-4000-8000-000000000001',
  request,
  approver,
  issuedAt: at(30),
  expiresAt: at(3_600),
  ...over,
});
const signed = (approver: string, by: SigningKey, over: Partial<Approval> = {}): string =>
  signApproval(approvalBy(approver, over), by);
const given = (texts: string[], taken: PolicyBundle['taken'] = [], of: PolicyRequest = asked) => {
  const { directory, engine } = open(texts, taken);
  return approvalsGiven(directory, engine, of, clock.now()).map(({ approver }) => approver);
};
const two = (): string[] => [signed('alice', keys.alice), signed('bob', keys.bob)];

describe('approvals of a bundle', () => {
  it('count once for each approver, and turn the denial that they are demanded by', () => {
    const { directory, engine } = open(two());
    expect(engine.decide(asked).effect).toBe('forbid');
    const counted = approvalsGiven(directory, engine, asked, clock.now());
    expect(counted.map(({ approver }) => approver)).toEqual(['alice', 'bob']);
    const context = { ...asked.context, approvals: counted.length };
    expect(engine.decide({ ...asked, context }).effect).toBe('permit');
    expect(engine.decide({ ...asked, context: { ...context, approvals: 1 } }).effect).toBe('forbid');
  });

  it('tell how many are needed in all, and nothing where none would help', () => {
    expect(approvalsNeeded(plain.engine, asked)).toBe(2);
    const one = { ...asked, context: { ...asked.context, approvals: 1 } };
    expect(approvalsNeeded(plain.engine, one)).toBe(2);
    expect(approvalsNeeded(plain.engine, { ...asked, action: 'certify' as 'retrieve' })).toBeUndefined();
    const clerk = policyPrincipal(plain.directory.find('clerk')!);
    expect(approvalsNeeded(plain.engine, { ...asked, principal: clerk, action: 'delete' })).toBeUndefined();
  });

  const stranger = key();
  const forged = (): string => {
    const payload = canonicalBytes(approvalBy('bob'));
    const signature = signTextFor('keymesh/v1/approval', payload, stranger);
    return [keys.bob.publicKeyText, toBase64Url(payload), signature].join('.');
  };
  const asStatement = (): string => {
    const payload = canonicalBytes(approvalBy('bob'));
    const signature = signTextFor('keymesh/v1/statement', payload, keys.bob);
    return [keys.bob.publicKeyText, toBase64Url(payload), signature].join('.');
  };
  const notCanonical = (): string => {
    const payload = concat(utf8(' '), canonicalBytes(approvalBy('bob')));
    const signature = signTextFor('keymesh/v1/approval', payload, keys.bob);
    return [keys.bob.publicKeyText, toBase64Url(payload), signature].join('.');
  };
  // The policy service was taken over: it holds the bundle key and puts in what it likes.
  const attempts: readonly [string, () => string][] = [
    ['signed with the bundle key', () => signed('bob', mesh.bundleKey)],
    ['with the name of an approver and the key of another', () => signed('bob', keys.carol)],
    ['with the approver’s key named and another’s signature', forged],
    ['signed as a statement', asStatement],
    ['not in canonical form', notCanonical],
    ['by a disabled approver', () => signed('gone', keys.gone)],
    ['by the asker, who may approve for others', () => signed('billing', keys.billing)],
    ['by the same approver with another key', () => signed('alice', keys.aliceLaptop)],
    ['by somebody who may not approve', () => signed('clerk', keys.clerk)],
    ['by nobody', () => signed('nobody', stranger)],
    ['of another mesh', () => signed('bob', keys.bob, { meshId: 'other' })],
    ['expired', () => signed('bob', keys.bob, { expiresAt: at(59) })],
    ['not begun', () => signed('bob', keys.bob, { issuedAt: at(1_000), expiresAt: at(2_000) })],
    ['for longer than a day', () => signed('bob', keys.bob, { expiresAt: at(30 + 86_401) })],
    ['for another asker', () => signed('bob', keys.bob, { request: { ...request, principal: 'clerk' } })],
    ['for another action', () => signed('bob', keys.bob, { request: { ...request, action: 'describe' } })],
    [
      'for another credential',
      () => signed('bob', keys.bob, { request: { ...request, resource: { kind: 'credential', id: 'c2' } } }),
    ],
    [
      'for a namespace of that id',
      () => signed('bob', keys.bob, { request: { ...request, resource: { kind: 'namespace', id: 'c1' } } }),
    ],
    ['for one version', () => signed('bob', keys.bob, { request: { ...request, version: 3 } })],
    ['for a purpose', () => signed('bob', keys.bob, { request: { ...request, purpose: 'audit' } })],
  ];
  it.each(attempts)('do not count when they are %s', (_, text) => {
    expect(given([signed('alice', keys.alice), text()])).toEqual(['alice']);
  });

  it('count for the version, stage and purpose that they name, and for these only', () => {
    const selects = { version: 3, stage: 'previous', purpose: 'audit' };
    const text = signed('bob', keys.bob, { request: { ...request, ...selects } });
    expect(given([text], [], { ...asked, context: { ...asked.context, ...selects } })).toEqual(['bob']);
    expect(given([text], [], { ...asked, context: { ...asked.context, ...selects, version: 4 } })).toEqual(
      [],
    );
  });

  it('end with the approver: locked, or its key removed', () => {
    expect(given(two(), [{ principal: 'bob', status: 'locked', until: null, reason: 'burst' }])).toEqual([
      'alice',
    ]);
    const { directory, engine } = open([signed('alice', keys.alice)]);
    const removing = { principal: 'alice', issuer: 'alice', issuedAt: at(50) };
    const text = say(
      'principal.keys-removed',
      { ...removing, nkeys: [], channelKeys: [keys.alice.publicKeyText] },
      keys.aliceLaptop,
    );
    expect(approvalsGiven(directory.extend([text]), engine, asked, clock.now())).toEqual([]);
  });

  it('do not count by a session’s key, for which the policy service vouches', () => {
    const session = key();
    const rule = say(
      'identity-rule.set',
      {
        ruleId: 'bob',
        rule: {
          principal: 'bob',
          identity: {
            kind: 'token',
            issuer: 'https://issuer.example',
            audience: 'keymesh',
            claims: { sub: 'bob' },
            keys: { from: 'discovery' },
          },
          maxSessionSeconds: 600,
          privileged: true,
        },
        basedOn: null,
        issuedAt: at(4),
      },
      mesh.operatorKey,
    );
    const { directory, engine } = open([signed('alice', keys.alice), signed('bob', session)]);
    const withSession = directory.extend([rule]).withSessions([
      {
        principal: 'bob',
        ruleId: 'bob',
        nkey: nkeyNamed('session'),
        channelKey: session.publicKeyText,
        openedAt: at(30),
        expiresAt: at(600),
      },
    ]);
    // The control: the session is in force.
    expect(withSession.isChannelKeyOf('bob', session.publicKeyText)).toBe(true);
    const counted = approvalsGiven(withSession, engine, asked, clock.now());
    expect(counted.map(({ approver }) => approver)).toEqual(['alice']);
  });

  it('end with the clock, also where the bundle stays', () => {
    const { directory, engine } = open(two());
    expect(approvalsGiven(directory, engine, asked, START + 3_600_000 - 1)).toHaveLength(2);
    expect(approvalsGiven(directory, engine, asked, START + 3_600_000)).toEqual([]);
  });

  it('that are garbage leave the rest of the bundle in force', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.base64String()), { maxLength: 5 }), (garbage) => {
        expect(given([...garbage, ...two()])).toEqual(['alice', 'bob']);
      }),
      { numRuns: 30 },
    );
  });

  it('are not verified again when the next bundle brings them', () => {
    const { directory } = open(two());
    const before = directory.approvals;
    const after = directory.withApprovals([...two(), signed('carol', keys.carol)]).approvals;
    expect(after.slice(0, 2).every((held, at) => held === before[at])).toBe(true);
    expect(after).toHaveLength(3);
  });
});

describe('an approval', () => {
  it('reads back, and with any byte of its signature changed does not', () => {
    const text = signed('alice', keys.alice);
    expect(readApproval(text).approval).toEqual(approvalBy('alice'));
    const [signer, payload, signature] = text.split('.');
    const other = signed('alice', keys.alice, { expiresAt: at(4_000) }).split('.');
    expect(codeOf(() => readApproval([signer, other[1], signature].join('.')))).toBe('STATEMENT_REJECTED');
    expect(codeOf(() => readApproval([signer, payload, other[2]].join('.')))).toBe('STATEMENT_REJECTED');
    expect(codeOf(() => readApproval(`${text}.`))).toBe('STATEMENT_REJECTED');
  });

  it('is of one request: every part of it changes the digest', () => {
    const others: ApprovableRequest[] = [
      request,
      { ...request, principal: 'clerk' },
      { ...request, action: 'describe' },
      { ...request, resource: { kind: 'namespace', id: 'c1' } },
      { ...request, resource: { kind: 'credential', id: 'c2' } },
      { ...request, version: 1 },
      { ...request, stage: 'current' },
      { ...request, purpose: 'audit' },
    ];
    expect(new Set(others.map((of) => requestDigestOf(MESH_ID, of))).size).toBe(others.length);
    expect(requestDigestOf('other', request)).not.toBe(requestDigestOf(MESH_ID, request));
  });
});
