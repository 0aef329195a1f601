import type { Clock } from '@keymesh/kernel';
import {
  approvableOf,
  approvalsGiven,
  approvalsNeeded,
  policyPrincipal,
  requestDigestOf,
} from '@keymesh/policy-engine';
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
    const approvable = approvableOf(request);
    const needed = approvalsNeeded(engine, request);
    if (approvable === undefined || needed === undefined) return undefined;
    const { approvals: given } = request.context;
    const requestDigest = requestDigestOf(directory.meshId, approvable);
    return { needed, given: typeof given === 'number' ? given : 0, requestDigest };
  },
});
