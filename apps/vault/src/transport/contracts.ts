import {
  cancelKeyJob,
  certifyChannelKey,
  credentialHistory,
  deleteCredential,
  describeCredential,
  destroyKey,
  discardVersion,
  keyJob,
  keyStatus,
  listCredentials,
  listKeyJobs,
  listRotatable,
  lockVault,
  prepareVersion,
  promoteVersion,
  reencryptNamespace,
  retrieveCredential,
  revealVersion,
  rewrapKeys,
  rotateKey,
  storeCredential,
  unlockVault,
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
  deleteCredential,
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
