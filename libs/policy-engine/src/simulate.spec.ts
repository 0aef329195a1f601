import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ACTIONS, type PolicyRequest, type Role } from '@keymesh/contracts';
import fc from 'fast-check';
import { at, bundleOf, invite, makeTestClock, makeTestMesh, say } from '../test/fixtures.js';
import { BUILT_IN_POLICIES } from './built-in-policies.js';
import { foldStatements } from './fold-statements.js';
import { makePolicyEngine, type PolicyEngine } from './engine.js';
import { policyPrincipal } from './policy-principal.js';
import { parsePolicies, writtenPolicies } from './policy-set.js';
import { makeReplayDecider, makeSimulation, type DecisionGroup, type SimulationResult } from './simulate.js';

const RUNS = process.env.SLOW === '1' ? 1_000 : 80;
const mesh = makeTestMesh();
const people = (['reader', 'writer', 'operator', 'security-admin'] as const).map((role) =>
  invite(mesh, `one-${role}`, [role]),
);
const base = [...mesh.genesis, ...people.flatMap((person) => [person.statement, person.complete()])];

interface Written {
  readonly policyId: string;
  readonly cedar: string;
}
/** The engine of a mesh where operators wrote these policies. */
function engineOf(written: readonly Written[], version = 7): PolicyEngine {
  const statements = written.map(({ policyId, cedar }) =>
    say(
      'policy.set',
      { policyId, cedar, twoPerson: false, basedOn: null, statementId: randomUUID(), issuedAt: at(90) },
      mesh.operatorKey,
    ),
  );
  const directory = foldStatements(mesh.trustRoot, [...base, ...statements], { clock: makeTestClock() });
  return makePolicyEngine(bundleOf([], { version, policies: [...BUILT_IN_POLICIES] }), directory);
}
const deciderOf = (written: readonly Written[]) =>
  makeReplayDecider(parsePolicies([...BUILT_IN_POLICIES, ...writtenPolicies(written)]));

const directory = foldStatements(mesh.trustRoot, base, { clock: makeTestClock() });
const requestBy = (name: string, over: Partial<PolicyRequest> = {}): PolicyRequest => {
  const entry = directory.find(name);
  return {
    principal: entry === undefined ? { name, kind: 'service', roles: [] } : policyPrincipal(entry),
    action: 'retrieve',
    resource: { kind: 'credential', id: 'c1', attributes: { namespace: 'prod' } },
    context: {},
    ...over,
  };
};
const recorded = (engine: PolicyEngine, request: PolicyRequest, over: Partial<DecisionGroup> = {}) => ({
  decision: { ...engine.decide(request), request },
  name: null,
  count: 1,
  firstAt: at(100),
  lastAt: at(100),
  ...over,
});
const simulate = (
  groups: readonly DecisionGroup[],
  written: readonly Written[],
  compare: 'exactly' | 'effect' = 'effect',
): SimulationResult => {
  const decider = deciderOf(written);
  const simulation = makeSimulation({ deciderOf: () => decider, compare });
  for (const group of groups) simulation.add(group);
  return simulation.result();
};

const anyAction = fc.constantFrom('retrieve', 'store', 'describe', 'destroy', 'policy.write');
const anyCondition = fc.constantFrom(
  '',
  ' when { resource has namespace && resource.namespace == "prod" }',
  ' when { resource.namespace == "prod" }', // errs where there is none
  ' when { context has approvals && context.approvals >= 2 }',
  ' unless { principal in Keymesh::Role::"operator" }',
  ' when { context has risk && context.risk > 50 }',
  ' when { context == {approvals: 2} }', // reads the whole
  ' when { resource has tags && resource.tags.contains("pci") }',
);
const anyPolicy = fc
  .tuple(fc.constantFrom('permit', 'forbid'), anyAction, anyCondition)
  .map(
    ([effect, action, condition]) =>
      `${effect}(principal, action == Keymesh::Action::"${action}", resource)${condition};`,
  );
const anyPolicies = fc
  .uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), anyPolicy), {
    selector: ([policyId]) => policyId,
    maxLength: 4,
  })
  .map((pairs) => pairs.map(([policyId, cedar]) => ({ policyId, cedar })));
const anyRequest = fc
  .record({
    name: fc.constantFrom('one-reader', 'one-writer', 'one-operator', 'one-security-admin', 'nobody'),
    action: fc.constantFrom(...ACTIONS),
    kind: fc.constantFrom('credential', 'namespace', 'principal'),
    id: fc.constantFrom('c1', 'c2'),
    attributes: fc.constantFrom<PolicyRequest['resource']['attributes'][]>(
      {},
      { namespace: 'prod' },
      { namespace: 'dev', tags: ['pci'] },
      { namespace: 'prod', odd: 0.5 },
    ),
    context: fc.constantFrom<PolicyRequest['context'][]>({}, { approvals: 2 }, { risk: 80 }),
  })
  .map(({ name, action, kind, id, attributes, context }) =>
    requestBy(name, { action, resource: { kind, id, attributes }, context }),
  );

describe('a simulation', () => {
  it('of the policies in force changes nothing, in effect, determining policies or errors', () => {
    fc.assert(
      fc.property(anyPolicies, fc.array(anyRequest, { minLength: 1, maxLength: 30 }), (written, requests) => {
        const engine = engineOf(written);
        const groups = requests.map((request) => recorded(engine, request));
        expect(simulate(groups, written, 'exactly')).toEqual({
          replayed: requests.length,
          unknown: 0,
          changed: [],
        });
      }),
      { numRuns: RUNS },
    );
  });

  it('says what the engine decides once the proposed policies are in force', () => {
    fc.assert(
      fc.property(
        anyPolicies,
        anyPolicies,
        fc.array(anyRequest, { minLength: 1, maxLength: 30 }),
        (written, proposed, requests) => {
          const [before, after] = [engineOf(written), engineOf(proposed, 8)];
          const { changed } = simulate(
            requests.map((request) => recorded(before, request)),
            proposed,
          );
          const expected = new Map<string, number>();
          for (const request of requests) {
            const [from, to] = [before.decide(request).effect, after.decide(request).effect];
            if (from === to) continue;
            const key = `${request.principal.name} ${request.action} ${request.resource.kind} ${request.resource.id} ${from} ${to}`;
            expected.set(key, (expected.get(key) ?? 0) + 1);
          }
          const found = new Map<string, number>();
          for (const { principal, action, resource, from, to, count } of changed) {
            const key = `${principal} ${action} ${resource.kind} ${resource.id} ${from} ${to}`;
            found.set(key, (found.get(key) ?? 0) + count);
          }
          expect(found).toEqual(expected);
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('names who, what, from and to, how often, since when and by which policy', () => {
    const engine = engineOf([]);
    const reads = [
      recorded(engine, requestBy('one-reader'), { count: 3, name: 'prod/key', lastAt: at(120) }),
      recorded(engine, requestBy('one-reader', { context: { channel: 'encrypted' } }), { firstAt: at(50) }),
      recorded(engine, requestBy('one-operator'), { name: 'prod/key' }),
    ];
    const noReaders = {
      policyId: 'operators-only',
      cedar:
        'forbid(principal, action == Keymesh::Action::"retrieve", resource) unless { principal in Keymesh::Role::"operator" };',
    };
    expect(simulate(reads, [noReaders])).toEqual({
      replayed: 5,
      unknown: 0,
      changed: [
        {
          principal: 'one-reader',
          action: 'retrieve',
          resource: { kind: 'credential', id: 'c1', name: 'prod/key' },
          from: 'permit',
          to: 'forbid',
          because: ['policy.operators-only'],
          count: 4,
          firstAt: at(50),
          lastAt: at(120),
        },
      ],
    });
  });

  it.each<[string, readonly Written[], readonly Written[], Role, string]>([
    ['a permit that is gone', [permit('p', 'destroy')], [], 'reader', 'policy.p'],
    ['a new permit', [], [permit('p', 'destroy')], 'reader', 'policy.p'],
    ['a forbid that is gone', [forbid('f', 'destroy')], [], 'operator', 'policy.f'],
    ['a policy that errs', [], [{ policyId: 'e', cedar: failing() }], 'operator', 'policy.e'],
  ])('blames %s', (_what, written, proposed, role, policy) => {
    const request = requestBy(`one-${role}`, { action: 'destroy' });
    const { changed } = simulate([recorded(engineOf(written), request)], proposed);
    expect(changed).toMatchObject([{ because: [policy] }]);
  });

  it('takes the word of the directory as it was, whatever is proposed', () => {
    const unknown = recorded(engineOf([]), requestBy('nobody'));
    expect(unknown.decision.errors).toEqual(['principal: unknown']);
    const result = simulate([unknown], [permit('p', 'retrieve')]);
    expect(result).toEqual({ replayed: 1, unknown: 0, changed: [] });
  });

  it('counts apart what was decided by policies that are not known', () => {
    const simulation = makeSimulation({ deciderOf: () => undefined, compare: 'exactly' });
    simulation.add(recorded(engineOf([]), requestBy('one-reader'), { count: 4 }));
    expect(simulation.result()).toEqual({ replayed: 0, unknown: 4, changed: [] });
  });

  it('asks once of what was recorded alike as far as policies look, approvals included', () => {
    const two = {
      policyId: 'two',
      cedar:
        'forbid(principal, action, resource) unless { context has approvals && context.approvals >= 2 };',
    };
    const decider = deciderOf([two]);
    const effects = [0, 1, 2].map((approvals) => {
      const asked = (id: string) =>
        requestBy('one-reader', {
          resource: { kind: 'credential', id, attributes: {} },
          context: { approvals },
        });
      expect(decider.decide(asked('c1'))).toEqual(decider.decide(asked('c2')));
      return decider.decide(asked('c3')).effect;
    });
    expect(effects).toEqual(['forbid', 'forbid', 'permit']);
    expect(decider.stats()).toEqual({ hits: 6, misses: 3 });
  });

  it('sees another reason for the same effect where it compares exactly', () => {
    const group = recorded(engineOf([]), requestBy('one-reader'));
    const more = [permit('p', 'retrieve')];
    expect(simulate([group], more).changed).toEqual([]);
    expect(simulate([group], more, 'exactly').changed).toMatchObject([{ because: ['policy.p'] }]);
  });
});

function permit(policyId: string, action: string): Written {
  return { policyId, cedar: `permit(principal, action == Keymesh::Action::"${action}", resource);` };
}
function forbid(policyId: string, action: string): Written {
  return { policyId, cedar: `forbid(principal, action == Keymesh::Action::"${action}", resource);` };
}
function failing(): string {
  return 'forbid(principal, action == Keymesh::Action::"destroy", resource) when { resource.owner == "x" };';
}
