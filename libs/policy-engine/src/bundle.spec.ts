import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { makeSigningKey, signFor, concat, utf8 } from '@keymesh/kernel';
import type { PolicyBundle, PolicyRequest } from '@keymesh/contracts';
import {
  at,
  bundleOf,
  codeOf,
  granted,
  invite,
  makeTestClock,
  makeTestMesh,
  nkeyNamed,
} from '../test/fixtures.js';
import { openBundle, signBundle } from './bundle.js';
import { makePolicyEngine } from './engine.js';
import { policyPrincipal } from './policy-principal.js';

const mesh = makeTestMesh();
const clock = makeTestClock();
const open = (bytes: Uint8Array) => openBundle(bytes, mesh.trustRoot, { clock });
const enrolled = invite(mesh, 'billing', ['reader']);
const statements = [...mesh.genesis, enrolled.statement, enrolled.complete()];

const ask = (
  name: string,
  action: PolicyRequest['action'],
  roles: PolicyRequest['principal']['roles'],
): PolicyRequest => ({
  principal: { name, kind: 'service', roles },
  action,
  resource: { kind: 'credential', id: 'c1', attributes: {} },
  context: {},
});

describe('bundles', () => {
  it('open to the directory of their statements, less what is taken', () => {
    const taken = [{ principal: 'billing', status: 'locked' as const, until: at(60), reason: 'burst' }];
    const { bundle, directory } = open(
      signBundle(bundleOf(statements, { version: 7, taken }), mesh.bundleKey),
    );
    expect(bundle.version).toBe(7);
    expect(directory.find('billing')?.status).toBe('locked');
    expect(directory.find('operator')?.status).toBe('active');
  });

  it('do not open with any bit changed, cut short, or by another key', () => {
    const bytes = signBundle(bundleOf(statements), mesh.bundleKey);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (index, mask) => {
        const changed = new Uint8Array(bytes);
        changed[index]! ^= mask;
        expect(codeOf(() => open(changed))).toBe('POLICY_UNAVAILABLE');
        expect(codeOf(() => open(bytes.subarray(0, index)))).toBe('POLICY_UNAVAILABLE');
      }),
    );
    expect(codeOf(() => open(signBundle(bundleOf(statements), mesh.operatorKey)))).toBe('POLICY_UNAVAILABLE');
  });

  it('do not open when signed as something else, or of another mesh or shape', () => {
    const payload = utf8(JSON.stringify({ v: 1, version: 'x' }));
    const signed = concat(utf8('KMB1'), signFor('keymesh/v1/bundle', payload, mesh.bundleKey), payload);
    expect(codeOf(() => open(signed))).toBe('POLICY_UNAVAILABLE');
    const foreign = signBundle(bundleOf(statements, { meshId: 'another' }), mesh.bundleKey);
    expect(codeOf(() => open(foreign))).toBe('POLICY_UNAVAILABLE');
  });

  it('are verified only from where they grew, with the same result', () => {
    const before = open(signBundle(bundleOf(mesh.genesis), mesh.bundleKey));
    const bytes = signBundle(bundleOf(statements, { version: 2 }), mesh.bundleKey);
    const grown = openBundle(bytes, mesh.trustRoot, { clock, previous: before.directory });
    expect(grown.directory.list()).toEqual(open(bytes).directory.list());
    const other = signBundle(bundleOf([...mesh.genesis].slice(0, 1), { version: 3 }), mesh.bundleKey);
    const shorter = openBundle(other, mesh.trustRoot, { clock, previous: grown.directory });
    expect(shorter.directory.list()).toHaveLength(1);
  });
});

describe('an attacker with the bundle key', () => {
  const attacker = makeSigningKey().key;
  const attackersBundle = (change: Partial<PolicyBundle>) =>
    signBundle(bundleOf(statements, change), mesh.bundleKey);

  it('cannot add a statement of its own', () => {
    const invited = invite(mesh, 'mallory', ['operator'], {}, attacker);
    for (const forged of [
      [granted('mallory', ['operator'], attacker, attacker)],
      [granted('mallory', ['operator'], attacker, mesh.bundleKey)],
      [invited.statement, invited.complete()],
      [enrolled.complete({ nkey: nkeyNamed('mallory'), channelKey: attacker.publicKeyText }, attacker)],
    ])
      expect(codeOf(() => open(attackersBundle({ statements: [...statements, ...forged] })))).toBe(
        'STATEMENT_REJECTED',
      );
  });

  it('cannot permit by a policy of its own, nor replace a built-in one', () => {
    const policies = [
      { id: 'mine', cedar: 'permit(principal, action, resource);' },
      { id: 'role.reader', cedar: 'permit(principal in Keymesh::Role::"reader", action, resource);' },
      { id: 'role.writer', cedar: 'permit(principal, action, resource);' },
    ];
    const { bundle, directory } = open(attackersBundle({ policies }));
    const engine = makePolicyEngine(bundle, directory);
    expect(engine.ignoredPolicies).toEqual(['mine', 'role.reader', 'role.writer']);
    expect(engine.decide(ask('billing', 'delete', ['reader'])).effect).toBe('forbid');
    expect(engine.decide(ask('mallory', 'retrieve', ['reader'])).effect).toBe('forbid');
    expect(engine.decide(ask('billing', 'retrieve', ['reader'])).effect).toBe('permit');
  });

  it('cannot widen, whatever bundle it makes: every permit is one that the honest bundle gives', () => {
    const honest = open(signBundle(bundleOf(statements), mesh.bundleKey));
    const honestEngine = makePolicyEngine(honest.bundle, honest.directory);
    const policy = fc.record({
      id: fc.constantFrom('role.reader', 'role.operator', 'bundle.x', 'x', 'y'),
      cedar: fc.constantFrom(
        'permit(principal, action, resource);',
        'permit(principal, action, resource) unless { false };',
        'forbid(principal, action == Keymesh::Action::"list", resource);',
        'forbid(principal, action, resource) when { false };',
      ),
    });
    const taking = fc.record({
      principal: fc.constantFrom('billing', 'operator'),
      status: fc.constantFrom('locked' as const, 'disabled' as const),
      until: fc.constantFrom(null, at(-1), at(9)),
      reason: fc.constant(''),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(policy, { selector: ({ id }) => id }),
        fc.array(taking),
        fc.nat(statements.length),
        fc.constantFrom<PolicyRequest['action']>('list', 'retrieve', 'store', 'delete', 'principal.write'),
        fc.constantFrom('billing', 'operator', 'mallory'),
        (policies, taken, length, action, name) => {
          const cut = statements.slice(0, length);
          const { bundle, directory } = open(attackersBundle({ policies, taken, statements: cut }));
          const entry = directory.find(name);
          const request = {
            ...ask(name, action, ['reader']),
            ...(entry && { principal: policyPrincipal(entry) }),
          };
          const decision = makePolicyEngine(bundle, directory).decide(request);
          if (decision.effect === 'permit') expect(honestEngine.decide(request).effect).toBe('permit');
        },
      ),
    );
  });
});
