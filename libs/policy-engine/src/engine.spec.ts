import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ACTIONS, ROLES, type PolicyRequest, type Role } from '@keymesh/contracts';
import { bundleOf, codeOf, granted, invite, makeTestClock, makeTestMesh, at } from '../test/fixtures.js';
import { makeSigningKey } from '@keymesh/kernel';
import { BUILT_IN_POLICIES, ROLE_ACTIONS } from './built-in-policies.js';
import { foldStatements } from './fold-statements.js';
import { makePolicyEngine } from './engine.js';
import { checkPolicies } from './policy-check.js';
import { policyPrincipal } from './policy-principal.js';

const mesh = makeTestMesh();
const clientRoles = ROLES.filter((role) => role !== 'locker');
const people = clientRoles
  .filter((role) => role !== 'operator')
  .map((role) => invite(mesh, `only-${role}`, [role]));
const directory = foldStatements(
  mesh.trustRoot,
  [
    ...mesh.genesis,
    ...people.flatMap((person) => [person.statement, person.complete()]),
    granted('only-operator', ['operator'], makeSigningKey().key, mesh.operatorKey),
  ],
  { clock: makeTestClock() },
);

const request = (
  name: string,
  action: PolicyRequest['action'],
  over: Partial<PolicyRequest> = {},
): PolicyRequest => {
  const entry = directory.find(name);
  return {
    principal: entry === undefined ? { name, kind: 'service', roles: [] } : policyPrincipal(entry),
    action,
    resource: { kind: 'credential', id: 'c1', attributes: { namespace: 'default', type: 'api_key' } },
    context: {},
    ...over,
  };
};
const engineWith = (policies: { id: string; cedar: string }[] = [], options = {}) =>
  makePolicyEngine(
    bundleOf([], { version: 3, policies: [...BUILT_IN_POLICIES, ...policies] }),
    directory,
    options,
  );

describe('the policy engine', () => {
  it('gives each role exactly its actions', () => {
    const engine = engineWith();
    const holders: [Role, string][] = [
      ...clientRoles.map((role): [Role, string] => [role, `only-${role}`]),
      ['rotator', '_rotation'],
      ['locker', '_anomaly-detector'],
    ];
    for (const [role, name] of holders) {
      const allowed = new Set<string>(role === 'plain-reply' ? [] : ROLE_ACTIONS[role]);
      if (name === 'only-rotator') {
        allowed.clear();
        for (const action of ['list', 'describe', 'rotate', 'rotation.read']) allowed.add(action);
      }
      // Nothing until its holder has opened it.
      if (role === 'break-glass') allowed.clear();
      if (name.startsWith('_')) allowed.add('channel-key.certify');
      const permitted = ACTIONS.filter((action) => engine.decide(request(name, action)).effect === 'permit');
      expect([role, permitted.toSorted()]).toEqual([role, [...allowed].toSorted()]);
    }
  });

  it('names the policies that decided and the bundle', () => {
    expect(engineWith().decide(request('only-reader', 'retrieve'))).toEqual({
      effect: 'permit',
      bundleVersion: 3,
      determiningPolicies: ['role.reader'],
      errors: [],
    });
    expect(engineWith().decide(request('only-reader', 'delete'))).toMatchObject({
      effect: 'forbid',
      determiningPolicies: [],
      errors: [],
    });
  });

  it('lets a forbid win, and denies when any policy errors, naming it without a value', () => {
    const forbid = engineWith([
      {
        id: 'prod',
        cedar:
          'forbid(principal, action, resource) when { resource has namespace && resource.namespace == "prod" };',
      },
    ]);
    const inProd = { resource: { kind: 'credential' as const, id: 'c', attributes: { namespace: 'prod' } } };
    expect(forbid.decide(request('only-writer', 'store', inProd))).toMatchObject({
      effect: 'forbid',
      determiningPolicies: ['bundle.prod'],
    });
    expect(forbid.decide(request('only-writer', 'store')).effect).toBe('permit');
    const broken = engineWith([
      { id: 'typo', cedar: 'forbid(principal, action, resource) when { resource.namspace == 1 };' },
    ]);
    expect(broken.decide(request('only-writer', 'store'))).toMatchObject({
      effect: 'forbid',
      errors: ['bundle.typo: evaluation failed'],
    });
  });

  it('denies what Cedar cannot express instead of throwing', () => {
    const odd = { context: { risk: 1.5 } };
    expect(engineWith().decide(request('only-reader', 'retrieve', odd))).toMatchObject({
      effect: 'forbid',
      errors: ['request: not expressible in Cedar'],
    });
  });

  it.each([
    ['an unknown principal', { name: 'mallory', kind: 'operator', roles: ['operator'] }],
    ['roles that no operator gave', { name: 'only-reader', kind: 'service', roles: ['operator'] }],
    ['a role more', { name: 'only-reader', kind: 'service', roles: ['reader', 'writer'] }],
    ['the same role twice', { name: 'only-reader', kind: 'service', roles: ['reader', 'reader'] }],
    ['another kind', { name: 'only-reader', kind: 'system', roles: ['reader'] }],
  ] as [string, PolicyRequest['principal']][])('denies a request that claims %s', (_what, principal) => {
    expect(engineWith().decide(request('only-reader', 'retrieve', { principal })).effect).toBe('forbid');
  });

  it('sees a lock end without a new bundle, cached or not', () => {
    const clock = makeTestClock();
    const person = invite(mesh, 'burst');
    const locked = foldStatements(mesh.trustRoot, [...mesh.genesis, person.statement, person.complete()], {
      clock,
    }).withTaken([{ principal: 'burst', status: 'locked', until: at(60), reason: 'test' }]);
    const engine = makePolicyEngine(bundleOf([]), locked);
    const asked = request('burst', 'retrieve', {
      principal: { name: 'burst', kind: 'service', roles: ['reader'] },
    });
    expect(engine.decide(asked)).toMatchObject({ effect: 'forbid', errors: ['principal: locked'] });
    clock.turn(60);
    expect(engine.decide(asked).effect).toBe('permit');
  });

  it('refuses a bundle whose forbids it cannot read', () => {
    expect(codeOf(() => engineWith([{ id: 'x', cedar: 'forbid(principal, action' }]))).toBe(
      'POLICY_UNAVAILABLE',
    );
    expect(
      codeOf(() => engineWith([{ id: 'x', cedar: 'forbid(principal == ?principal, action, resource);' }])),
    ).toBe('POLICY_UNAVAILABLE');
  });

  it('ships policies that are valid against its schema, and its validation finds a typo', () => {
    expect(checkPolicies(BUILT_IN_POLICIES)).toEqual([]);
    expect(
      checkPolicies([
        {
          id: 'x',
          cedar: 'forbid(principal, action, resource is Keymesh::Credential) when { resource.ownr == "a" };',
        },
      ]),
    ).not.toEqual([]);
  });
});

describe('the decision cache', () => {
  const POLICIES = [
    {
      id: 'channel',
      cedar:
        'forbid(principal, action, resource) when { context has channel && context.channel == "plain" };',
    },
    {
      id: 'owner',
      cedar:
        'forbid(principal, action, resource) unless { resource has tags && resource.tags.contains("open") || principal in Keymesh::Role::"writer" };',
    },
    {
      id: 'one',
      cedar: 'forbid(principal, action, resource) when { resource == Keymesh::Credential::"c2" };',
    },
    {
      id: 'whole',
      cedar: 'forbid(principal, action, resource) when { context == {"channel": "encrypted", "risk": 1} };',
    },
    {
      id: 'risk',
      cedar: 'forbid(principal, action, resource) when { context has risk && context.risk > 50 };',
    },
    {
      id: 'kind',
      cedar:
        'forbid(principal is Keymesh::Principal, action, resource is Keymesh::Namespace) unless { principal in [Keymesh::Role::"writer", Keymesh::Role::"siem"] };',
    },
    {
      id: 'person',
      cedar:
        'forbid(principal == Keymesh::Principal::"only-reader", action, resource in Keymesh::Namespace::"n");',
    },
    {
      id: 'self',
      cedar:
        'forbid(principal, action, resource) when { resource has owner && resource.owner == "only-reader" };',
    },
    {
      id: 'errs',
      cedar: 'forbid(principal, action == Keymesh::Action::"list", resource) when { context.version > 2 };',
    },
  ];
  const requests = fc.record({
    name: fc.constantFrom('only-reader', 'only-writer', 'only-siem', 'nobody'),
    action: fc.constantFrom<PolicyRequest['action']>('list', 'retrieve', 'store'),
    id: fc.constantFrom('c1', 'c2'),
    kind: fc.constantFrom<PolicyRequest['resource']['kind']>('credential', 'namespace'),
    attributes: fc.constantFrom<PolicyRequest['resource']['attributes']>(
      {},
      { tags: ['open'] },
      { tags: ['a', 'open'] },
      { tags: ['a,open'] },
      { owner: 'only-reader' },
      { owner: 'only-writer', tags: [] },
    ),
    context: fc.record(
      {
        channel: fc.constantFrom('plain', 'encrypted'),
        risk: fc.constantFrom(1, 60, 1.5),
        version: fc.constantFrom<string | number>(1, 3, '3'),
      },
      { requiredKeys: [] },
    ),
  });

  it('never changes an answer', () => {
    fc.assert(
      fc.property(
        fc.subarray(POLICIES),
        fc.array(requests, { minLength: 2, maxLength: 30 }),
        (policies, list) => {
          const [cached, uncached] = [engineWith(policies), engineWith(policies, { cacheEntries: 0 })];
          for (const { name, action, id, kind, attributes, context } of [...list, ...list]) {
            const asked = request(name, action, {
              resource: { kind, id, attributes },
              context: context,
            });
            expect(cached.decide(asked)).toEqual(uncached.decide(asked));
          }
        },
      ),
    );
  });

  it('keeps decisions, but none once a policy reads the time or the whole context', () => {
    const twice = (policies: { id: string; cedar: string }[]) => {
      const engine = engineWith(policies);
      engine.decide(request('only-reader', 'retrieve'));
      engine.decide(request('only-reader', 'retrieve'));
      return engine.stats();
    };
    expect(twice([])).toEqual({ hits: 1, misses: 1 });
    for (const condition of ['context has time && context.time > 1', 'context == {}'])
      expect([
        condition,
        twice([{ id: 'x', cedar: `forbid(principal, action, resource) when { ${condition} && false };` }]),
      ]).toEqual([condition, { hits: 0, misses: 0 }]);
  });

  it('is keyed by mentioned context attributes only', () => {
    const engine = engineWith();
    engine.decide(request('only-reader', 'retrieve', { context: { purpose: 'a' } }));
    engine.decide(request('only-reader', 'retrieve', { context: { purpose: 'b' } }));
    expect(engine.stats()).toEqual({ hits: 1, misses: 1 });
  });

  it('is shared by principals of the same roles and by resources that no policy tells apart', () => {
    const other = invite(mesh, 'second-reader', ['reader']);
    const both = directory.extend([other.statement, other.complete()]);
    const misses = (...cedar: string[]) => {
      const policies = cedar.map((text, at) => ({ id: `p${String(at)}`, cedar: text }));
      const engine = makePolicyEngine(bundleOf([], { policies }), both);
      for (const name of ['only-reader', 'second-reader'])
        for (const id of ['c1', 'c2'])
          for (const owner of ['a', 'b'])
            engine.decide({
              ...request('only-reader', 'retrieve'),
              principal: { name, kind: 'service', roles: ['reader'] },
              resource: { kind: 'credential', id, attributes: { owner } },
            });
      return engine.stats().misses;
    };
    expect(misses()).toBe(1);
    expect(misses('forbid(principal in Keymesh::Role::"siem", action, resource);')).toBe(1);
    expect(misses('forbid(principal == Keymesh::Principal::"x", action, resource);')).toBe(2);
    expect(
      misses('forbid(principal, action, resource) when { resource has owner && resource.owner == "a" };'),
    ).toBe(2);
    expect(misses('forbid(principal, action, resource == Keymesh::Credential::"c1");')).toBe(4);
    expect(misses('forbid(principal, action, resource) when { [principal].contains(resource) };')).toBe(8);
  });

  it('hands out decisions that nobody can change', () => {
    const engine = engineWith();
    const first = engine.decide(request('only-reader', 'retrieve'));
    expect(() => first.determiningPolicies.push('x')).toThrow(TypeError);
  });
});
