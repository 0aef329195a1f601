import type { HandlersOf } from '@keymesh/service-kit';
import type {
  APPROVAL_CONTRACTS,
  ATTESTATION_CONTRACTS,
  BREAK_GLASS_CONTRACTS,
  CREDENTIAL_POLICY_CONTRACTS,
  KILL_SWITCH_CONTRACTS,
  POLICY_CONTRACTS,
  PRINCIPAL_CONTRACTS,
  POLICY_INSIGHT_CONTRACTS,
  SESSION_CONTRACTS,
} from './contracts.js';

/** Nest token of {@link PolicyOperations}. */
export const OPERATIONS = Symbol('keymesh.policy.operations');

export type ApprovalOperations = HandlersOf<typeof APPROVAL_CONTRACTS>;
export type BreakGlassOperations = HandlersOf<typeof BREAK_GLASS_CONTRACTS>;
export type AttestationOperations = HandlersOf<typeof ATTESTATION_CONTRACTS>;
export type CredentialPolicyOperations = HandlersOf<typeof CREDENTIAL_POLICY_CONTRACTS>;
export type KillSwitchOperations = HandlersOf<typeof KILL_SWITCH_CONTRACTS>;
export type PolicyInsightOperations = HandlersOf<typeof POLICY_INSIGHT_CONTRACTS>;
export type PolicyTextOperations = HandlersOf<typeof POLICY_CONTRACTS>;
export type SessionOperations = HandlersOf<typeof SESSION_CONTRACTS>;
export type PrincipalOperations = HandlersOf<typeof PRINCIPAL_CONTRACTS>;
/** Every operation of the policy service, by its contract's name. */
export type PolicyOperations = ApprovalOperations &
  BreakGlassOperations &
  KillSwitchOperations &
  AttestationOperations &
  CredentialPolicyOperations &
  PolicyTextOperations &
  PrincipalOperations &
  SessionOperations &
  PolicyInsightOperations;
