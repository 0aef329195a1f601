import {
  failure,
  type AuditRecord,
  type PolicyRequest,
  type ServiceName,
  type Action,
} from '@keymesh/contracts';
import type { KeymeshError } from '@keymesh/kernel';
import { callContext, type Call } from '@keymesh/mesh';
import {
  approvalRequired,
  type ApprovalsToTurn,
  type Decision,
  type GivenApproval,
} from '@keymesh/policy-engine';
import type { ServiceKit } from '../tokens.js';
import { makePolicyPort, type PolicyPort } from './policy-port.js';
import { watchRisk } from './risk-watch.js';

/** What was asked of the policy and what it said: goes into the audit record whole, so that it can be decided again. */
export interface Access {
  readonly permitted: boolean;
  readonly request: PolicyRequest;
  readonly decision: Decision;
  /** Counted in the request's context as `approvals`. */
  readonly approvals: readonly GivenApproval[];
  /** Asks what would turn a denial. */
  readonly approvalsToTurn: () => ApprovalsToTurn | undefined;
}

/** Asks the policy. Never throws for a no. @throws POLICY_UNAVAILABLE without a bundle, DENIED for a principal it does not know. */
export type AskPolicy = (
  call: Pick<Call, 'principal' | 'channel' | 'network' | 'time'>,
  action: Action,
  resource: PolicyRequest['resource'],
  context?: PolicyRequest['context'],
) => Access;

export interface AskPolicyOptions {
  /** `context.service`; absent for those whose actions are theirs alone. */
  readonly service?: ServiceName;
  /** What the anomaly detector thinks of a principal now, 0 to 100; undefined: nobody knows. */
  readonly riskOf?: (principal: string) => number | undefined;
}

/** The one way in which services decide: with all that is known of the moment, and with the approvals that count for exactly this request. */
export const makeAskPolicy =
  (policy: PolicyPort, { service, riskOf = () => undefined }: AskPolicyOptions = {}): AskPolicy =>
  (call, action, resource, context) => {
    const principal = policy.find(call.principal);
    // The dispatcher lets nobody unknown in; between it and here the bundle may have changed.
    if (principal === undefined) throw failure('DENIED');
    const risk = riskOf(call.principal);
    const plain: PolicyRequest = {
      principal,
      action,
      resource,
      context: {
        ...(service === undefined ? {} : { service }),
        ...callContext(call),
        ...(risk === undefined ? {} : { risk }),
        ...context,
      },
    };
    const approvals = policy.approvalsOf(plain);
    const request =
      approvals.length === 0
        ? plain
        : { ...plain, context: { ...plain.context, approvals: approvals.length } };
    const decision = policy.decide(request);
    return {
      permitted: decision.effect === 'permit',
      request,
      decision,
      approvals,
      approvalsToTurn: () => policy.approvalsToTurn(request),
    };
  };

/** {@link makeAskPolicy} of a service that runs: it hears the detector until it stops. */
export function openAskPolicy(
  kit: Pick<ServiceKit, 'connection' | 'policy' | 'clock' | 'onShutdown'>,
  {
    service,
    policy = makePolicyPort(kit.policy, kit.clock),
  }: { readonly service?: ServiceName; readonly policy?: PolicyPort } = {},
): AskPolicy {
  const { watch, stop } = watchRisk(kit.connection, kit.policy, kit.clock);
  kit.onShutdown('risk', stop);
  const riskOf = (principal: string): number | undefined => watch.riskOf(principal);
  return makeAskPolicy(policy, { ...(service === undefined ? {} : { service }), riskOf });
}

/**
 * What the asker is told of a denial: DENIED, or APPROVAL_REQUIRED where approvals would turn it.
 * @param content what the request's `contentHash` is of.
 * INVARIANT: approvals only to who may describe the resource: to others nothing of the policies on it is told.
 */
export function refusalOf(
  askPolicy: AskPolicy,
  call: Parameters<AskPolicy>[0],
  { request, approvalsToTurn }: Access,
  content?: string,
): KeymeshError {
  const { action, resource } = request;
  const describes = action !== 'describe' && askPolicy(call, 'describe', resource).permitted;
  const approvals = describes ? approvalsToTurn() : undefined;
  return approvals === undefined
    ? failure('DENIED')
    : approvalRequired({ ...approvals, ...(content === undefined ? {} : { content }) });
}

/** The decision as it goes into a record: with the whole request, so that it can be decided again. */
export const recordedDecision = ({ decision, request }: Access): NonNullable<AuditRecord['decision']> => ({
  effect: decision.effect,
  bundleVersion: decision.bundleVersion,
  determiningPolicies: decision.determiningPolicies,
  errors: decision.errors,
  request,
});

/** Who gave the approvals that the decision's context counts; nothing where there are none. */
export const approvalFacts = ({ approvals }: Pick<Access, 'approvals'>): NonNullable<AuditRecord['facts']> =>
  approvals.length === 0
    ? {}
    : {
        approvals: [...new Set(approvals.map(({ approvalId }) => approvalId))].join(' '),
        approvers: approvals.map(({ approver }) => approver).join(' '),
      };
