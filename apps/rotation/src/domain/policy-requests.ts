import type { Action, CredentialMetadata, PolicyRequest, VersionPromoted } from '@keymesh/contracts';

type Attributes = PolicyRequest['resource']['attributes'];
type Described = Pick<CredentialMetadata, 'namespace' | 'type' | 'provider' | 'owner' | 'tags' | 'version'>;

/** The attributes of a credential that policies may read: the same that the vault decides on. Never the name. */
export const credentialAttributes = (credential: Described & { isActive?: boolean }): Attributes => ({
  namespace: credential.namespace,
  type: credential.type,
  owner: credential.owner,
  tags: [...credential.tags],
  version: credential.version,
  ...(credential.provider === null ? {} : { provider: credential.provider }),
  ...(credential.isActive === undefined ? {} : { isActive: credential.isActive }),
});

/** May this principal do this to this credential? */
export const credentialRequest = (
  principal: PolicyRequest['principal'],
  action: Action,
  credential: (Described & { credentialId: string; isActive?: boolean }) | VersionPromoted,
  context: PolicyRequest['context'] = {},
): PolicyRequest => ({
  principal,
  action,
  resource: {
    kind: 'credential',
    id: credential.credentialId,
    attributes: credentialAttributes(credential as Described),
  },
  context,
});
