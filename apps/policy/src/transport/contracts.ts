import {
  addPrincipalKeys,
  createPrincipal,
  describePrincipal,
  disablePrincipal,
  enablePrincipal,
  enrolPrincipal,
  listPrincipals,
  lockPrincipal,
  removePrincipalKeys,
  setPrincipalAttributes,
  setPrincipalRoles,
  unlockPrincipal,
} from '@keymesh/contracts';

// What the policy service serves, group by group: each has its operations in compose/.

/** Who is who: invitations, keys, roles, attributes, status. */
export const PRINCIPAL_CONTRACTS = {
  createPrincipal,
  enrolPrincipal,
  listPrincipals,
  describePrincipal,
  disablePrincipal,
  enablePrincipal,
  lockPrincipal,
  unlockPrincipal,
  setPrincipalRoles,
  setPrincipalAttributes,
  addPrincipalKeys,
  removePrincipalKeys,
};
