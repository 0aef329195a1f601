import type { HandlersOf } from '@keymesh/service-kit';
import type {
  ATTESTATION_CONTRACTS,
  KILL_SWITCH_CONTRACTS,
  PRINCIPAL_CONTRACTS,
  POLICY_INSIGHT_CONTRACTS,
} from './contracts.js';

/** Nest token of {@link PolicyOperations}. */
export const OPERATIONS = Symbol('keymesh.policy.operations');

export type AttestationOperations = HandlersOf<typeof ATTESTATION_CONTRACTS>;
export type KillSwitchOperations = HandlersOf<typeof KILL_SWITCH_CONTRACTS>;
export type PolicyInsightOperations = HandlersOf<typeof POLICY_INSIGHT_CONTRACTS>;
export type PrincipalOperations = HandlersOf<typeof PRINCIPAL_CONTRACTS>;
/** Every operation of the policy service, by its contract's name. */
export type PolicyOperations = KillSwitchOperations &
  AttestationOperations &
  PrincipalOperations &
  PolicyInsightOperations;
