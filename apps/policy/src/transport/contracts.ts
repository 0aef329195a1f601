import {
  confirmPolicy,
  describePolicy,
  listPolicies,
  setPolicy,
  validatePolicy,
  addPrincipalKeys,
  attestBundle,
  createPrincipal,
  describePolicySet,
  describePrincipal,
  disablePrincipal,
  enablePrincipal,
  enrolPrincipal,
  explainDecision,
  listPolicySets,
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

/** Who may what: policies that operators write. */
export const POLICY_CONTRACTS = {
  setPolicy,
  confirmPolicy,
  listPolicies,
  describePolicy,
  validatePolicy,
};

/** Whether a service has the newest bundle. */
export const ATTESTATION_CONTRACTS = { attestBundle };

/** What is stopped at once. */
export const KILL_SWITCH_CONTRACTS = { setKillSwitch, liftKillSwitch, listKillSwitches };

/** Why decisions are as they are, and by which policies they were made. */
export const POLICY_INSIGHT_CONTRACTS = { listPolicySets, describePolicySet, explainDecision };
