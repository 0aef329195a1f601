import { describe, expect, it } from '@jest/globals';
import { BUILT_IN_POLICIES } from './built-in-policies.js';
import { checkPolicies, checkPolicy, readAnnotations, tellProblem } from './policy-check.js';

const problems = (cedar: string) => checkPolicy({ id: 'p', cedar });
const places = (cedar: string) => problems(cedar).map(({ line, column }) => [line, column]);

describe('checking a policy', () => {
  it('finds nothing wrong with the built-in ones, nor with one that tests what may be absent', () => {
    expect(checkPolicies(BUILT_IN_POLICIES)).toEqual([]);
    expect(
      problems(`@id("p")
        permit(principal in Keymesh::Role::"reader", action == Keymesh::Action::"retrieve", resource is Keymesh::Credential)
        when { resource has sensitivity && resource.sensitivity != "critical" && context has channel };`),
    ).toEqual([]);
  });

  it('names the place of what is no Cedar, counted in characters also after letters of more bytes', () => {
    expect(places('permit(principal, action, resource)\nwhen { "ü€" == };')).toEqual([[2, 16]]);
    expect(places('permit(principal, action\n')).toEqual([[1, 25]]);
    expect(places('')).toHaveLength(1);
  });

  it.each([
    ['two policies', 'permit(principal, action, resource); forbid(principal, action, resource);'],
    ['a template', 'permit(principal == ?principal, action, resource);'],
    [
      'an attribute that there is not',
      'permit(principal, action, resource) when { principal.shoeSize == "1" };',
    ],
    ['an optional attribute without has', 'permit(principal, action, resource) when { context.risk > 1 };'],
    [
      'an attribute of a kind that has none',
      'permit(principal, action, resource is Keymesh::Finding) when { resource.owner == "a" };',
    ],
    [
      'another type than the attribute has',
      'forbid(principal, action, resource) when { context has risk && context.risk == "high" };',
    ],
    ['an action that there is not', 'permit(principal, action == Keymesh::Action::"steal", resource);'],
    ['an entity type that there is not', 'permit(principal, action, resource is Keymesh::Planet);'],
    [
      'a condition that nothing meets',
      'forbid(principal, action, resource) when { principal is Keymesh::Finding };',
    ],
    [
      'letters made to be mistaken',
      'forbid(principal, action, resource) when { principal has team && principal.team == "pаy" };',
    ],
  ])('refuses %s', (_what, cedar) => {
    expect(problems(cedar)).not.toEqual([]);
    for (const { rule } of problems(cedar)) expect(rule.length).toBeGreaterThan(10);
  });

  it('tells a fault once for its place, however many actions and kinds it is of', () => {
    const cedar =
      'permit(principal, action, resource) when {\n  context.risk > 1 ||\n  resource.ownr == "a" };';
    expect(problems(cedar).map((problem) => tellProblem(problem).replace(/: .*/s, ''))).toEqual([
      'p:2:3',
      'p:3:3',
    ]);
  });

  it('reads what a text says of itself', () => {
    expect(readAnnotations('@id("prod")\n@twoPerson("true")\npermit(principal, action, resource);')).toEqual({
      id: 'prod',
      twoPerson: true,
    });
    expect(readAnnotations('permit(principal, action, resource);')).toEqual({ id: undefined });
    expect(readAnnotations('permit(')).toBeUndefined();
  });
});
