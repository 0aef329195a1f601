import { createHash } from 'node:crypto';
import { toHex } from '@keymesh/kernel';
import type { ApprovableRequest, PolicyRequest } from '@keymesh/contracts';
import { canonicalBytes } from './signed-text.js';

/** What of a policy request an approval is for; undefined for a resource that takes none. */
export function approvableOf({
  principal,
  action,
  resource,
  context,
}: PolicyRequest): ApprovableRequest | undefined {
  const { kind, id } = resource;
  if (kind !== 'credential' && kind !== 'namespace') return undefined;
  const { version, stage, purpose } = context;
  return {
    principal: principal.name,
    action,
    resource: { kind, id },
    ...(typeof version === 'number' ? { version } : {}),
    ...(typeof stage === 'string' ? { stage } : {}),
    ...(typeof purpose === 'string' ? { purpose } : {}),
  };
}

/** SHA-256 (hex) over the RFC 8785 JSON of mesh and request: the short name of exactly this request. */
export const requestDigestOf = (meshId: string, request: ApprovableRequest): string =>
  toHex(
    createHash('sha256')
      .update(canonicalBytes({ v: 1, meshId, request }))
      .digest(),
  );
