import {
  addPrincipalKeys,
  approveRequest,
  attestBundle,
  cancelRequest,
  closeBreakGlass,
  closeSession,
  confirmPolicy,
  createPrincipal,
  describeCredentialPolicy,
  describePolicy,
  describePolicySet,
  describeShadow,
  describePrincipal,
  disablePrincipal,
  enablePrincipal,
  enrolPrincipal,
  explainDecision,
  liftKillSwitch,
  listApprovals,
  listBreakGlass,
  listIdentityRules,
  listKillSwitches,
  listPolicies,
  listPolicySets,
  listPrincipals,
  lockPrincipal,
  openBreakGlass,
  openSession,
  rejectRequest,
  removePrincipalKeys,
  requestApproval,
  reviewBreakGlass,
  setCredentialPolicy,
  setIdentityRule,
  setKillSwitch,
  setPolicy,
  setPrincipalAttributes,
  setPrincipalRoles,
  setShadow,
  unlockPrincipal,
  validatePolicy,
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

/** Other proofs of identity, and the keys that they are exchanged for. */
export const SESSION_CONTRACTS = { openSession, closeSession, setIdentityRule, listIdentityRules };

/** What is asked of values before the vault stores them. */
export const CREDENTIAL_POLICY_CONTRACTS = { setCredentialPolicy, describeCredentialPolicy };

/** Whether a service has the newest bundle. */
export const ATTESTATION_CONTRACTS = { attestBundle };

/** What is stopped at once. */
export const KILL_SWITCH_CONTRACTS = { setKillSwitch, liftKillSwitch, listKillSwitches };

/** Why decisions are as they are, and by which policies they were made. */
export const POLICY_INSIGHT_CONTRACTS = {
  listPolicySets,
  describePolicySet,
  explainDecision,
  setShadow,
  describeShadow,
};

/** What others have to agree to first. */
export const APPROVAL_CONTRACTS = {
  requestApproval,
  listApprovals,
  approveRequest,
  rejectRequest,
  cancelRequest,
};

/** What somebody may do for a while without being asked. */
export const BREAK_GLASS_CONTRACTS = { openBreakGlass, closeBreakGlass, reviewBreakGlass, listBreakGlass };
