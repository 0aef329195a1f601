import { CredentialEntity } from './credential.entity.js';
import { CredentialVersionEntity } from './credential-version.entity.js';
import { LeaseEntity } from './lease.entity.js';
import { NamespaceEntity, NamespaceKekEntity, SystemKeyEntity } from './key.entities.js';

export { CredentialEntity } from './credential.entity.js';
export { CredentialVersionEntity } from './credential-version.entity.js';
export { LeaseEntity } from './lease.entity.js';
export { NamespaceEntity, NamespaceKekEntity, SystemKeyEntity } from './key.entities.js';

export const vaultEntities = [
  CredentialEntity,
  CredentialVersionEntity,
  NamespaceEntity,
  NamespaceKekEntity,
  SystemKeyEntity,
  LeaseEntity,
];
