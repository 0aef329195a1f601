import { isAuthorized, type EntityUid } from '@cedar-policy/cedar-wasm/nodejs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PolicyRequest } from '@keymesh/contracts';
import { randomPolicies, randomRequests } from '../test/random-policies.js';
import { prepareCedar, RESOURCE_TYPES } from './cedar.js';
import { makeDecider, type Verdict } from './decider.js';
import { parsePolicies } from './policy-set.js';

const named = (texts: readonly string[]) => texts.map((cedar, at) => ({ id: `p${String(at)}`, cedar }));

/** All policies, asked of Cedar's plainest function: no slices, no cache, nothing prepared. */
function plainly(texts: readonly string[], { principal, action, resource, context }: PolicyRequest): Verdict {
  const isWhole = (value: unknown): boolean => typeof value !== 'number' || Number.isSafeInteger(value);
  if (![...Object.values(resource.attributes), ...Object.values(context)].every(isWhole))
    return { effect: 'forbid', determiningPolicies: [], errors: ['request: not expressible in Cedar'] };
  const who: EntityUid = { type: 'Keymesh::Principal', id: principal.name };
  const what: EntityUid = { type: RESOURCE_TYPES[resource.kind], id: resource.id };
  const answer = isAuthorized({
    principal: who,
    action: { type: 'Keymesh::Action', id: action },
    resource: what,
    context,
    policies: { staticPolicies: Object.fromEntries(named(texts).map(({ id, cedar }) => [id, cedar])) },
    entities: [
      {
        uid: who,
        attrs: { ...principal.attributes, kind: principal.kind },
        parents: principal.roles.map((role) => ({ type: 'Keymesh::Role', id: role })),
      },
      { uid: what, attrs: resource.attributes, parents: [] },
    ],
  });
  if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join());
  const { decision, diagnostics } = answer.response;
  const errors = diagnostics.errors.map(({ policyId }) => `${policyId}: evaluation failed`).sort();
  return {
    effect: decision === 'allow' && errors.length === 0 ? 'permit' : 'forbid',
    determiningPolicies: [...diagnostics.reason].sort(),
    errors,
  };
}

describe('the decider', () => {
  it('says what Cedar says of all policies at once, from memory or not', () => {
    const decided = { permits: 0, forbids: 0, errors: 0, hits: 0 };
    fc.assert(
      fc.property(randomPolicies, randomRequests, (texts, requests) => {
        const policies = parsePolicies(named(texts));
        const [cached, uncached] = [makeDecider(policies, 1_000), makeDecider(policies, 0)];
        // Twice, so that whatever could be kept is asked of the memory.
        for (const request of [...requests, ...requests]) {
          const verdict = cached.decide(request);
          expect(verdict).toEqual(plainly(texts, request));
          expect(uncached.decide(request)).toEqual(verdict);
          decided.permits += Number(verdict.effect === 'permit');
          decided.forbids += Number(verdict.effect === 'forbid' && verdict.determiningPolicies.length > 0);
          decided.errors += Number(verdict.errors.length > 0);
        }
        decided.hits += cached.stats().hits;
      }),
      { numRuns: 200 },
    );
    // The run is void unless it saw all of it.
    for (const count of Object.values(decided)) expect(count).toBeGreaterThan(10);
  }, 120_000);

  it('keeps no more sets in memory than it may, and takes one that was let go again', () => {
    const policies = parsePolicies(named(['permit(principal, action, resource);']));
    const first = makeDecider(policies, 0);
    const request: PolicyRequest = {
      principal: { name: 'ann', kind: 'service', roles: [] },
      action: 'list',
      resource: { kind: 'credential', id: 'c1', attributes: {} },
      context: {},
    };
    expect(first.decide(request).effect).toBe('permit');
    for (let other = 0; other < 1_100; other += 1) {
      const text = `forbid(principal, action, resource) when { resource has owner && resource.owner == "${String(other)}" };`;
      expect(makeDecider(parsePolicies(named([text])), 0).decide(request).effect).toBe('forbid');
    }
    expect(first.decide(request).effect).toBe('permit');
  }, 60_000);
});

describe('a network that is none', () => {
  const policies = [
    'permit(principal, action, resource);',
    'forbid(principal, action, resource) when { context has network && context.network.isLoopback() };',
  ];
  const asked = (network: string): PolicyRequest => ({
    principal: { name: 'ann', kind: 'service', roles: [] },
    action: 'list',
    resource: { kind: 'credential', id: 'c1', attributes: {} },
    context: { network },
  });

  it.each([
    ...[
      '',
      'nowhere',
      '10.0.0.0/33',
      '10.0.0.0/024',
      '010.0.0.1',
      '10.0.0',
      '::ffff:10.0.0.1',
      'fe80::1%eth0',
      '::/129',
      '10.0.0.0/',
      '1::2::3',
    ],
    ...['10.0.0.0/24', '10.1.2.3', '::1', '2001:db8:1::/48', '127.0.0.0/24', '0.0.0.0/0', '2001:DB8::/128'],
  ])('%j is decided alike, read or not, from memory or not', (network) => {
    for (const texts of [policies, policies.slice(0, 1)]) {
      const decider = makeDecider(parsePolicies(named(texts)), 100);
      const warm = decider.decide(asked('10.9.9.0/24'));
      expect(warm.effect).toBe('permit');
      const isKnown = prepareCedar(named(texts))(asked(network)).errors.length === 0;
      for (let time = 0; time < 2; time += 1)
        expect(decider.decide(asked(network)).errors).toEqual(
          isKnown ? [] : ['request: not expressible in Cedar'],
        );
    }
  });
});

describe('what is kept', () => {
  const request = (
    action: PolicyRequest['action'],
    context: PolicyRequest['context'] = {},
  ): PolicyRequest => ({
    principal: { name: 'ann', kind: 'service', roles: ['reader'] },
    action,
    resource: { kind: 'credential', id: 'c1', attributes: {} },
    context: { time: 1, ...context },
  });
  const deciderOf = (...texts: readonly string[]) => makeDecider(parsePolicies(named(texts)), 100);

  it('is every action that no policy decides by the time', () => {
    const decider = deciderOf(
      'forbid(principal, action == Keymesh::Action::"delete", resource) when { context has time && context.time > 5 };',
      'permit(principal, action, resource);',
    );
    for (const time of [1, 2, 9]) decider.decide(request('retrieve', { time }));
    expect(decider.stats()).toEqual({ hits: 2, misses: 1 });
    expect([1, 9].map((time) => decider.decide(request('delete', { time })).effect)).toEqual([
      'permit',
      'forbid',
    ]);
    expect(decider.stats()).toEqual({ hits: 2, misses: 1 });
  });

  it('is not what looks at the whole context, because the time is in it', () => {
    const decider = deciderOf('forbid(principal, action, resource) when { context == {"time": 2} };');
    for (const time of [1, 1]) decider.decide(request('retrieve', { time }));
    expect(decider.stats()).toEqual({ hits: 0, misses: 0 });
  });

  it.each(['risk', 'approvals'])('is told apart by %s where a policy reads it', (name) => {
    const decider = deciderOf(
      `permit(principal, action, resource) when { context has ${name} && context.${name} >= 2 };`,
    );
    const effects = [1, 2, 1, 2].map(
      (value) => decider.decide(request('retrieve', { [name]: value })).effect,
    );
    expect(effects).toEqual(['forbid', 'permit', 'forbid', 'permit']);
    expect(decider.stats()).toEqual({ hits: 2, misses: 2 });
  });
});
