import { describe, expect, it } from '@jest/globals';
import type { PolicyRequest } from '@keymesh/contracts';
import { bundleOf, invite, makeTestClock, makeTestMesh } from '../test/fixtures.js';
import { checkPolicies } from './policy-check.js';
import { foldStatements } from './fold-statements.js';
import { makePolicyEngine } from './engine.js';
import { policyPrincipal } from './policy-principal.js';

const OFFICE_ONLY =
  'forbid(principal, action, resource) unless { context has network && context.network.isInRange(ip("10.1.0.0/16")) };';
const mesh = makeTestMesh();
const billing = invite(mesh, 'billing');
const clock = makeTestClock();
const directory = foldStatements(mesh.trustRoot, [...mesh.genesis, billing.statement, billing.complete()], {
  clock,
});
const engine = makePolicyEngine(
  bundleOf([], { policies: [{ id: 'office', cedar: OFFICE_ONLY }] }),
  directory,
);
const from = (context: PolicyRequest['context']) =>
  engine.decide({
    principal: policyPrincipal(directory.find('billing')!),
    action: 'retrieve',
    resource: { kind: 'credential', id: 'c', attributes: {} },
    context,
  });

describe('a policy about networks', () => {
  it('is valid against the schema', () => {
    expect(checkPolicies([{ id: 'office', cedar: OFFICE_ONLY }])).toEqual([]);
  });

  it.each([
    ['10.1.2.0/24', 'permit'],
    ['10.2.2.0/24', 'forbid'],
    ['2001:db8::/48', 'forbid'],
  ])('decides about %s: %s, asked again too', (network, effect) => {
    expect(from({ network }).effect).toBe(effect);
    expect(from({ network }).effect).toBe(effect);
  });

  it('says no where the network is not known or none', () => {
    expect(from({}).effect).toBe('forbid');
    expect(from({ network: 'office' })).toMatchObject({
      effect: 'forbid',
      errors: ['request: not expressible in Cedar'],
    });
  });
});
