import type { PolicyHolder } from '@keymesh/service-kit';
import { policyPrincipal } from '@keymesh/policy-engine';
import type { PolicyPort } from '../domain/ports.js';

/** The port {@link PolicyPort} over the bundle that holds now. @throws POLICY_UNAVAILABLE before the first one. */
export const makePolicyPort = (holder: PolicyHolder): PolicyPort => ({
  version: () => holder.currentPolicy().version,
  find(name) {
    const entry = holder.currentPolicy().directory.find(name);
    return entry === undefined ? undefined : policyPrincipal(entry);
  },
  decide: (request) => holder.currentPolicy().engine.decide(request),
});
