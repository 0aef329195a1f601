import type { HandlersOf } from '@keymesh/service-kit';
import type { PRINCIPAL_CONTRACTS } from './contracts.js';

/** Nest token of {@link PolicyOperations}. */
export const OPERATIONS = Symbol('keymesh.policy.operations');

export type PrincipalOperations = HandlersOf<typeof PRINCIPAL_CONTRACTS>;
/** Every operation of the policy service, by its contract's name. */
export type PolicyOperations = PrincipalOperations;
