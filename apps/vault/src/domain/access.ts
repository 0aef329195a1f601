import { failure, type Action, type PolicyRequest } from '@keymesh/contracts';
import { callContext, type Call } from '@keymesh/mesh';
import type { ApprovalsToTurn, Decision, GivenApproval } from '@keymesh/policy-engine';
import { expiresAtMs, statusOf, type Credential } from './credential.js';
import type { PolicyPort } from './ports.js';

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

export type PolicyResource = PolicyRequest['resource'];

/** Asks the policy. Never throws for a no. @throws POLICY_UNAVAILABLE without a bundle, DENIED for a principal it does not know. */
export type AskPolicy = (
  call: Pick<Call, 'principal' | 'channel' | 'network' | 'time'>,
  action: Action,
  resource: PolicyResource,
  context?: PolicyRequest['context'],
) => Access;

/** @param riskOf what the anomaly detector thinks of a principal now, 0 to 100; undefined: nobody knows. */
export const makeAskPolicy =
  (policy: PolicyPort, riskOf: (principal: string) => number | undefined = () => undefined): AskPolicy =>
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
        service: 'vault',
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
    const permitted = decision.effect === 'permit';
    return {
      permitted,
      request,
      decision,
      approvals,
      approvalsToTurn: () => policy.approvalsToTurn(request),
    };
  };

/** A credential as policies see it: ids and attributes, never its name. `expiresAt` in seconds since the epoch. */
export function credentialResource(credential: Credential, nowMs: number): PolicyResource {
  const expires = expiresAtMs(credential);
  const { namespace, type, provider, owner, tags } = credential;
  return {
    kind: 'credential',
    id: credential.credentialId,
    attributes: {
      namespace,
      type,
      owner,
      tags: [...tags],
      isActive: statusOf(credential, nowMs) === 'active',
      ...(provider === null ? {} : { provider }),
      ...(credential.sensitivity === null ? {} : { sensitivity: credential.sensitivity }),
      ...(expires === null ? {} : { expiresAt: Math.floor(expires / 1000) }),
    },
  };
}

/** A namespace; what a credential that does not exist (yet) is decided as. */
export const namespaceResource = (namespace: string): PolicyResource => ({
  kind: 'namespace',
  id: namespace,
  attributes: { namespace },
});
