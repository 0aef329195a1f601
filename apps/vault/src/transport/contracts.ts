import {
  certifyChannelKey,
  credentialHistory,
  deleteCredential,
  describeCredential,
  discardVersion,
  listCredentials,
  listRotatable,
  prepareVersion,
  promoteVersion,
  retrieveCredential,
  revealVersion,
  storeCredential,
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

/** What the mesh's own services ask for: versions for rotations, certificates for channel keys. */
export const VERSION_CONTRACTS = {
  prepareVersion,
  promoteVersion,
  discardVersion,
  revealVersion,
  listRotatable,
  certifyChannelKey,
};
