export { connect, type ConnectOptions, type Keymesh } from './connect.js';
export type { BatchOperations, RetrieveItem, RetrieveResult } from './batch.js';
export type { CallOptions, Credentials, StoreRequest } from './credentials.js';
export type { GivenValue, Value } from './value-parts.js';
export { IssuedLease, type Leases } from './leases.js';
export type { CredentialChanges, LifecycleOperations, ListFilter, WhichCredential } from './lifecycle.js';
export { RetrievedCredential } from './retrieved-credential.js';
export type { Watch } from './watch-credential.js';
export {
  identityProfileSchema,
  profileSchema,
  readAnyProfile,
  readProfile,
  requireProfileName,
  writeProfile,
  type IdentityProfile,
  type Profile,
} from './profile.js';
export type { IdentitySource } from './identity/identity-proof.js';
export { openIdentitySession, type MeshPlace } from './identity/open-identity-session.js';
export { makeSessionKeys, type SessionKeyPair } from './identity/session-keys.js';
export { findHome, profileName } from './config.js';
export { Secret, KeymeshError } from '@keymesh/kernel';
