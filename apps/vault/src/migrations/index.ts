import { CreateVault1795305600000 } from './1795305600000-create-vault.js';
import { CredentialLifecycle1795651200000 } from './1795651200000-credential-lifecycle.js';
import { KeyJobs1795651200001 } from './1795651200001-key-jobs.js';
import { Leases1795651200002 } from './1795651200002-leases.js';
import { RestoreEpoch1795651200003 } from './1795651200003-restore-epoch.js';
import { ExpiryNotices1795651200006 } from './1795651200006-expiry-notices.js';
import { ShadowSums1795651220000 } from './1795651220000-shadow-sums.js';
import { BundleAttestedAt1795651220005 } from './1795651220005-bundle-attested-at.js';
import { ChannelKeyHandover1795651220006 } from './1795651220006-channel-key-handover.js';

/** In order; an applied one is never changed. */
export const vaultMigrations = [
  CreateVault1795305600000,
  CredentialLifecycle1795651200000,
  KeyJobs1795651200001,
  Leases1795651200002,
  RestoreEpoch1795651200003,
  ExpiryNotices1795651200006,
  ShadowSums1795651220000,
  BundleAttestedAt1795651220005,
  ChannelKeyHandover1795651220006,
];
