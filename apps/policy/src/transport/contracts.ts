import {
  addPrincipalKeys,
  attestBundle,
  createPrincipal,
  describePrincipal,
  disablePrincipal,
  enablePrincipal,
  enrolPrincipal,
  listPrincipals,
  liftKillSwitch,
  listKillSwitches,
  lockPrincipal,
  removePrincipalKeys,
  setKillSwitch,
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

/** Whether a service has the newest bundle. */
export const ATTESTATION_CONTRACTS = { attestBundle };

/** What is stopped at once. */
export const KILL_SWITCH_CONTRACTS = { setKillSwitch, liftKillSwitch, listKillSwitches };
