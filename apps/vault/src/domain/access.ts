import type { PolicyRequest } from '@keymesh/contracts';
import { expiresAtMs, statusOf, type Credential } from './credential.js';

export type { Access, AskPolicy } from '@keymesh/service-kit';

export type PolicyResource = PolicyRequest['resource'];

/** A credential as policies see it: ids and attributes, never its name. `expiresAt` in seconds since the epoch. */
export function credentialResource(credential: Credential, nowMs: number): PolicyResource {
  const expires = expiresAtMs(credential);
  const { namespace, type, provider, owner, tags } = credential;
  return {
    kind: 'credential',
    id: credential.credentialId,
    attributes: {
      namespace,
      type,
      owner,
      tags: [...tags],
      isActive: statusOf(credential, nowMs) === 'active',
      ...(provider === null ? {} : { provider }),
      ...(credential.sensitivity === null ? {} : { sensitivity: credential.sensitivity }),
      ...(expires === null ? {} : { expiresAt: Math.floor(expires / 1000) }),
    },
  };
}

/** A namespace; what a credential that does not exist (yet) is decided as. */
export const namespaceResource = (namespace: string): PolicyResource => ({
  kind: 'namespace',
  id: namespace,
  attributes: { namespace },
});
