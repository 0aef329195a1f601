import type { Clock } from '@keymesh/kernel';
import { approvalsGiven, approvalsToTurn, policyPrincipal } from '@keymesh/policy-engine';
import type { PolicyHolder } from '@keymesh/service-kit';
import type { PolicyPort } from '../domain/ports.js';

/** The port {@link PolicyPort} over the bundle that holds now. @throws POLICY_UNAVAILABLE before the first one. */
export const makePolicyPort = (holder: PolicyHolder, clock: Clock): PolicyPort => ({
  version: () => holder.currentPolicy().version,
  find(name) {
    const entry = holder.currentPolicy().directory.find(name);
    return entry === undefined ? undefined : policyPrincipal(entry);
  },
  decide: (request) => holder.currentPolicy().engine.decide(request),
  approvalsOf(request) {
    const { directory, engine } = holder.currentPolicy();
    return approvalsGiven(directory, engine, request, clock.now());
  },
  approvalsToTurn(request) {
    const { directory, engine } = holder.currentPolicy();
    return approvalsToTurn(directory, engine, request);
  },
});
