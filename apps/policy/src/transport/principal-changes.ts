import {
  addPrincipalKeys,
  describePrincipal,
  removePrincipalKeys,
  setPrincipalAttributes,
  setPrincipalRoles,
} from '@keymesh/contracts';
import { rpcController, type HandlersOf } from '@keymesh/service-kit';

/** What is told of a principal and what changes it, by the names of the contracts. */
export const principalChanges = {
  describePrincipal,
  setPrincipalRoles,
  setPrincipalAttributes,
  addPrincipalKeys,
  removePrincipalKeys,
};
export type PrincipalChanges = HandlersOf<typeof principalChanges>;

/** Injects {@link PrincipalChanges}. */
export const PRINCIPAL_CHANGES = Symbol('keymesh.policy.principal-changes');

export const PrincipalChangesController = rpcController(PRINCIPAL_CHANGES, principalChanges);
