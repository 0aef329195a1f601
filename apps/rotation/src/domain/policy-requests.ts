import type { CredentialMetadata, PolicyRequest, VersionPromoted } from '@keymesh/contracts';

type Attributes = PolicyRequest['resource']['attributes'];

/** A credential as the vault describes it, whole or as its event does. */
export type DescribedCredential = CredentialMetadata | VersionPromoted;

/** The attributes that policies may read: the same that the vault decides by. Never the name. `expiresAt` in seconds. */
export function credentialAttributes(credential: DescribedCredential): Attributes {
  const { namespace, type, owner, tags, provider } = credential;
  const expiresAt = 'expiresAt' in credential ? credential.expiresAt : null;
  // An event does not tell it: it leads to pushes of ids only.
  const sensitivity = 'sensitivity' in credential ? credential.sensitivity : null;
  return {
    namespace,
    type,
    owner,
    tags: [...tags],
    isActive: 'isActive' in credential ? credential.isActive : true,
    ...(provider === null ? {} : { provider }),
    ...(sensitivity === null ? {} : { sensitivity }),
    ...(expiresAt === null ? {} : { expiresAt: Math.floor(Date.parse(expiresAt) / 1000) }),
  };
}

/** A credential as policies see it. */
export const credentialResource = (credential: DescribedCredential): PolicyRequest['resource'] => ({
  kind: 'credential',
  id: credential.credentialId,
  attributes: credentialAttributes(credential),
});

/** May this principal read this credential, whenever it asks for it? */
export const readRequest = (
  principal: PolicyRequest['principal'],
  credential: DescribedCredential,
): PolicyRequest => ({
  principal,
  action: 'retrieve',
  resource: credentialResource(credential),
  context: { service: 'rotation', channel: 'encrypted' },
});
