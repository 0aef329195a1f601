export { signStatement, readStatement, type SignedStatement } from './statements.js';
export { type OpenEnrolment, type PendingPolicy, type WrittenPolicy } from './fold-state.js';
export { proveKey, type KeyProofBinding } from './key-proof.js';
export {
  foldStatements,
  type Directory,
  type DirectoryEntry,
  type DirectoryOptions,
  type PrincipalStatus,
  type Taken,
} from './directory.js';
export { signBundle, openBundle, readBundle, followsOn, type OpenedBundle } from './bundle.js';
export { BUILT_IN_POLICIES, ROLE_ACTIONS, type Policy } from './built-in-policies.js';
export { CEDAR_SCHEMA } from './cedar-schema.js';
export { validatePolicies } from './cedar.js';
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
