import { describe, expect, it } from '@jest/globals';
import type { PolicyRequest } from '@keymesh/contracts';
import { BUILT_IN_POLICIES, makeDecider, parsePolicies, type ShadowSet } from '@keymesh/policy-engine';
import { makeTestClock } from '@keymesh/testing';
import fc from 'fast-check';
import { makeShadowEvaluation, type ShadowOutcome } from './shadow.js';

const decider = makeDecider(parsePolicies(BUILT_IN_POLICIES), 100);
const decide = (request: PolicyRequest) => decider.decide(request);
const requestBy = (name: string, over: Partial<PolicyRequest> = {}): PolicyRequest => ({
  principal: { name, kind: 'service', roles: ['reader'] },
  action: 'retrieve',
  resource: { kind: 'credential', id: 'c1', attributes: { namespace: 'prod' } },
  context: {},
  ...over,
});
const shadowOf = (cedar: string, shadowId = 's1'): ShadowSet => ({
  shadowId,
  policies: [...BUILT_IN_POLICIES, { id: 'policy.p', cedar }],
});
const NO_PROD =
  'forbid(principal, action, resource) when { resource has namespace && resource.namespace == "prod" };';
const ERRS = 'permit(principal, action, resource) when { resource.owner == "me" };';

function setUp(first: ShadowSet | undefined, queueLength = 100) {
  const clock = makeTestClock();
  const outcomes: ShadowOutcome[] = [];
  let shadow = first;
  const evaluation = makeShadowEvaluation({
    ...{ shadow: () => shadow, clock, queueLength, onEvaluated: (outcome) => outcomes.push(outcome) },
  });
  const note = (request: PolicyRequest) => evaluation.note(request, { ...decide(request), bundleVersion: 1 });
  return { clock, outcomes, evaluation, note, put: (next: ShadowSet | undefined) => (shadow = next) };
}

describe('the shadow', () => {
  it('sums up what it would have decided otherwise', () => {
    const { evaluation, note, clock, outcomes } = setUp(shadowOf(NO_PROD));
    const from = clock.now();
    for (const name of ['billing', 'billing', 'ledger']) note(requestBy(name));
    note(
      requestBy('billing', { resource: { kind: 'credential', id: 'c2', attributes: { namespace: 'dev' } } }),
    );
    note(requestBy('billing', { action: 'destroy' })); // a forbid already
    clock.advance(500);
    evaluation.work(10);
    expect(outcomes).toEqual(['different', 'different', 'different', 'same', 'same']);
    const sum = {
      action: 'retrieve',
      resourceKind: 'credential',
      from: 'permit',
      to: 'forbid',
      because: ['policy.p'],
    };
    const at = { firstAtMs: from + 500, lastAtMs: from + 500 };
    expect(evaluation.take()).toEqual({
      ...{ shadowId: 's1', evaluated: 5, different: 3, skipped: 0 },
      differences: [
        { principal: 'billing', ...sum, count: 2, ...at },
        { principal: 'ledger', ...sum, count: 1, ...at },
      ],
    });
    expect(evaluation.take()).toBeUndefined();
  });

  it('counts a policy that errs, or that this release cannot read, as a difference', () => {
    for (const cedar of [ERRS, 'permit(principal, action, resource']) {
      const { evaluation, note } = setUp(shadowOf(cedar));
      note(requestBy('billing'));
      expect(() => evaluation.work(10)).not.toThrow();
      expect(evaluation.take()).toMatchObject({ evaluated: 1, different: 1 });
    }
  });

  it('leaves alone what no policy decided', () => {
    const { evaluation, outcomes } = setUp(shadowOf(NO_PROD));
    const objection = { effect: 'forbid', determiningPolicies: [], errors: ['principal: locked'] } as const;
    evaluation.note(requestBy('billing'), {
      ...objection,
      determiningPolicies: [],
      errors: [...objection.errors],
      bundleVersion: 1,
    });
    evaluation.work(10);
    expect(outcomes).toEqual([]);
  });

  it('skips and counts what is too much, and never takes longer than it may', () => {
    const { evaluation, note, outcomes, clock } = setUp(shadowOf(NO_PROD), 3);
    for (let n = 0; n < 5; n += 1) note(requestBy('billing'));
    expect(outcomes).toEqual(['skipped', 'skipped']);
    // Each look at the clock is a millisecond later: a budget of two is over after one decision.
    let now = 0;
    clock.monotonic = () => (now += 1);
    evaluation.work(2);
    expect(outcomes.filter((outcome) => outcome !== 'skipped')).toHaveLength(1);
    evaluation.work(1_000);
    expect(evaluation.take()).toMatchObject({ evaluated: 3, skipped: 2 });
  });

  it('keeps its sums bounded, and apart by shadow', () => {
    const { evaluation, note, put } = setUp(shadowOf(NO_PROD), 10_000);
    for (let n = 0; n < 2_500; n += 1) note(requestBy(`p${n}`));
    evaluation.work(10_000);
    const sums = evaluation.take();
    expect(sums?.differences).toHaveLength(2_001);
    expect(sums?.differences.reduce((total, { count }) => total + count, 0)).toBe(2_500);
    expect(sums?.differences.at(-1)).toMatchObject({ principal: '*', because: [], count: 500 });
    put(shadowOf('permit(principal, action, resource);', 's2'));
    note(requestBy('billing', { action: 'destroy' }));
    evaluation.work(10);
    evaluation.giveBack(sums!); // of a shadow that is over
    expect(evaluation.take()).toMatchObject({ shadowId: 's2', evaluated: 1, different: 1 });
    put(undefined);
    note(requestBy('billing'));
    evaluation.work(10);
    expect(evaluation.take()).toBeUndefined();
  });

  it('loses nothing that is given back', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean(), fc.boolean())), (steps) => {
        const { evaluation, note } = setUp(shadowOf(NO_PROD), 1_000);
        let [evaluated, different] = [0, 0];
        for (const [name, isProd, isKept] of steps) {
          note(
            requestBy(name, {
              resource: { kind: 'credential', id: 'c', attributes: { namespace: isProd ? 'prod' : 'dev' } },
            }),
          );
          evaluation.work(1_000);
          const sums = evaluation.take();
          if (!isKept && sums !== undefined) evaluation.giveBack(sums);
          else
            [evaluated, different] = [evaluated + (sums?.evaluated ?? 0), different + (sums?.different ?? 0)];
        }
        const rest = evaluation.take();
        expect(evaluated + (rest?.evaluated ?? 0)).toBe(steps.length);
        expect(different + (rest?.different ?? 0)).toBe(steps.filter(([, isProd]) => isProd).length);
      }),
      { numRuns: 50 },
    );
  });
});
