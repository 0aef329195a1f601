import {
  batchRetrieveCredentials,
  batchStoreCredentials,
  describeTemplate,
  listTemplates,
  activateCredential,
  cancelKeyJob,
  certifyChannelKey,
  checkQuality,
  credentialHistory,
  deactivateCredential,
  deleteCredential,
  describeCredential,
  describeType,
  destroyKey,
  destroyVersion,
  discardVersion,
  exportCredentials,
  importCredentials,
  keyJob,
  keyStatus,
  issueLease,
  listCredentials,
  listLeases,
  listKeyJobs,
  listRotatable,
  listTypes,
  lockVault,
  prepareVersion,
  promoteVersion,
  renewLease,
  reencryptNamespace,
  restoreCredential,
  retrieveCredential,
  reportShadow,
  revealVersion,
  revokeLease,
  revokeLeases,
  rewrapKeys,
  rotateKey,
  storeCredential,
  unlockVault,
  updateCredential,
  vaultStatus,
} from '@keymesh/contracts';

// What the vault serves, group by group: each has its operations in compose/ and its controller in the module.

/** What clients ask for. */
export const CREDENTIAL_CONTRACTS = {
  storeCredential,
  retrieveCredential,
  listCredentials,
  describeCredential,
  credentialHistory,
  updateCredential,
  activateCredential,
  deactivateCredential,
  deleteCredential,
  restoreCredential,
  destroyVersion,
};

/** What is known of credential types, and how good a value would be. */
export const TYPE_CONTRACTS = { listTypes, describeType, checkQuality };

/** Many credentials at once, in and out, and starting points for new ones. */
export const BATCH_CONTRACTS = {
  batchStoreCredentials,
  batchRetrieveCredentials,
  exportCredentials,
  importCredentials,
  listTemplates,
  describeTemplate,
};

/** What operators do to keys and the vault's lock. */
export const KEY_CONTRACTS = {
  rotateKey,
  rewrapKeys,
  reencryptNamespace,
  keyJob,
  listKeyJobs,
  cancelKeyJob,
  keyStatus,
  destroyKey,
  lockVault,
  unlockVault,
  vaultStatus,
};

/** What the mesh's own services ask for: versions for rotations, certificates for channel keys. */
export const VERSION_CONTRACTS = {
  prepareVersion,
  promoteVersion,
  discardVersion,
  revealVersion,
  listRotatable,
  certifyChannelKey,
};

/** Leases of issued values. */
export const LEASE_CONTRACTS = { issueLease, renewLease, revokeLease, revokeLeases, listLeases };

/** What policies in the shadow would have decided otherwise. */
export const SHADOW_CONTRACTS = { reportShadow };
