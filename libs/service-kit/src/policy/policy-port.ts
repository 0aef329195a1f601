import type { PolicyRequest } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import {
  approvalsGiven,
  approvalsToTurn,
  policyPrincipal,
  type ApprovalsToTurn,
  type Decision,
  type GivenApproval,
} from '@keymesh/policy-engine';
import type { CurrentPolicy } from './policy-holder.js';

/** The policy that decides now. @throws POLICY_UNAVAILABLE without a bundle. */
export interface PolicyPort {
  /** Version of the bundle, to notice that it changed while something was under way. */
  version(): number;
  /** Who the principal is by the directory; undefined for an unknown one. */
  find(principal: string): PolicyRequest['principal'] | undefined;
  decide(request: PolicyRequest): Decision;
  /** Approvals that count for exactly this request now; none for most. */
  approvalsOf(request: PolicyRequest): readonly GivenApproval[];
  /** What would turn the denial of this request; undefined when no approvals would. */
  approvalsToTurn(request: PolicyRequest): ApprovalsToTurn | undefined;
}

/** The port {@link PolicyPort} over the bundle that holds now. @throws POLICY_UNAVAILABLE before the first one. */
export const makePolicyPort = (
  holder: { readonly currentPolicy: () => Pick<CurrentPolicy, 'version' | 'engine' | 'directory'> },
  clock: Pick<Clock, 'now'>,
): PolicyPort => ({
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
