import { makeCredentialPolicies } from '../src/domain/quality/credential-policies.js';
import type { Credential } from '../src/domain/credential.js';

/** A credential for specs. */
export const aCredential = (more: Partial<Credential> = {}): Credential => ({
  credentialId: '018f0000-0000-7000-8000-0000000000aa',
  namespaceId: '018f0000-0000-7000-8000-0000000000bb',
  namespace: 'default',
  name: 'a',
  type: 'api_key',
  provider: null,
  description: null,
  tags: [],
  owner: 'writer',
  rotation: null,
  label: null,
  status: 'active',
  sensitivity: null,
  strengthScore: null,
  expiresAtMs: null,
  currentVersion: 1,
  previousVersion: null,
  pendingVersion: null,
  lastVersion: 1,
  versionCreatedAtMs: 1,
  createdAtMs: 1,
  updatedAtMs: 1,
  deletedAtMs: null,
  recoverableUntilMs: null,
  purgedAtMs: null,
  revision: 1,
  policy: makeCredentialPolicies()(more.namespace ?? 'default', more.type ?? 'api_key'),
  ...more,
});
