export { connect, type ConnectOptions, type Keymesh } from './connect.js';
export type { CallOptions, Credentials, StoreRequest, Value } from './credentials.js';
export { IssuedLease, type Leases } from './leases.js';
export { RetrievedCredential } from './retrieved-credential.js';
export type { Watch } from './watch-credential.js';
export { readProfile, writeProfile, profileSchema, type Profile } from './profile.js';
export { findHome, profileName } from './config.js';
export { Secret, KeymeshError } from '@keymesh/kernel';
