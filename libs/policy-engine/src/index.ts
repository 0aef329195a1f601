export { signStatement, readStatement, type SignedStatement } from './statements.js';
export {
  type OpenEnrolment,
  type BreakGlassOpening,
  type IdentityRule,
  type PendingPolicy,
  type WrittenPolicy,
} from './fold-state.js';
export { isOpenNow, MAX_OPENINGS_A_DAY } from './fold-break-glass.js';
export { approvableOf, hashContent, isContentOf, requestDigestOf } from './approvable-request.js';
export { readApproval, signApproval, type HeldApproval } from './approvals.js';
export { approvalsGiven, countApprovals, type GivenApproval } from './approvals-given.js';
export {
  approvalRequired,
  approvalsNeeded,
  approvalsToTurn,
  type ApprovalsToTurn,
} from './approvals-needed.js';
export { proveKey, type KeyProofBinding } from './key-proof.js';
export {
  certificateEndMs,
  namesOfCertificate,
  refuseCertificate,
  spiffeIdOf,
  type CertificateRefusal,
} from './certificate-proof.js';
export { isPrivileged } from './fold-identity-rule.js';
export type { Directory, DirectoryEntry, PrincipalStatus, Taken } from './directory.js';
export { foldStatements, type DirectoryOptions } from './fold-statements.js';
export { signBundle, openBundle, readBundle, followsOn, type OpenedBundle } from './bundle.js';
export { NOT_ATTESTED, bundleDigestOf, readAttestation, signAttestation } from './attestation.js';
export { BUILT_IN_POLICIES, ROLE_ACTIONS, type Policy } from './built-in-policies.js';
export { CEDAR_SCHEMA } from './cedar-schema.js';
export {
  checkPolicies,
  checkPolicy,
  readAnnotations,
  tellProblem,
  type PolicyAnnotations,
  type PolicyProblem,
} from './policy-check.js';
export { makePolicyEngine, type Decision, type PolicyEngine, type PolicyEngineOptions } from './engine.js';
export { makeDecider, type Decider, type Verdict } from './decider.js';
export { policyPrincipal } from './policy-principal.js';
export {
  credentialPolicyVersions,
  readCredentialPolicy,
  type ReadCredentialPolicy,
} from './credential-policy-versions.js';
export { policyVersions, type PolicyVersion } from './policy-versions.js';
export {
  parsePolicies,
  policySetOf,
  writtenPolicies,
  type ParsedPolicy,
  type PolicySet,
} from './policy-set.js';
export {
  makeEnrolmentToken,
  readEnrolmentToken,
  isMeshKeyOfToken,
  type EnrolmentSeeds,
  type EnrolmentToken,
} from './enrolment-token.js';
export { meshIdOf, meshIdOfHash, enrolmentIdOf } from './derived-ids.js';
export {
  culpritsOf,
  differsInEffect,
  isByPolicies,
  makeReplayDecider,
  makeSimulation,
  type ChangedDecision,
  type DecisionGroup,
  type RecordedDecision,
  type Simulation,
  type SimulationResult,
} from './simulate.js';
export { explainDecision, type AttributeRead, type Explanation, type Remedy } from './explain.js';
export { shadowDigestOf, shadowSetOf, type ShadowSet } from './shadow.js';
export type { ShadowGrant } from './fold-shadow.js';
