import { createHash } from 'node:crypto';
import { fromUtf8, toHex, utf8 } from '@keymesh/kernel';
import { APPROVABLE_KINDS, type ApprovableRequest, type PolicyRequest } from '@keymesh/contracts';
import { canonicalBytes } from './signed-text.js';

/** What of a policy request an approval is for; undefined for a resource that takes none. */
export function approvableOf({
  principal,
  action,
  resource,
  context,
}: PolicyRequest): ApprovableRequest | undefined {
  const { id } = resource;
  const kind = APPROVABLE_KINDS.find((one) => one === resource.kind);
  if (kind === undefined) return undefined;
  const { version, stage, purpose, contentHash } = context;
  return {
    principal: principal.name,
    action,
    resource: { kind, id },
    ...(typeof version === 'number' ? { version } : {}),
    ...(typeof stage === 'string' ? { stage } : {}),
    ...(typeof purpose === 'string' ? { purpose } : {}),
    ...(typeof contentHash === 'string' ? { contentHash } : {}),
  };
}

/** RFC 8785 JSON of what is to be written, and its SHA-256 (hex): `context.contentHash`. */
export function hashContent(content: object): { readonly content: string; readonly contentHash: string } {
  const bytes = canonicalBytes(content);
  return { content: fromUtf8(bytes), contentHash: sha256(bytes) };
}

/** Whether this text, to the byte, is what the hash is of. */
export const isContentOf = (content: string, contentHash: string): boolean =>
  sha256(utf8(content)) === contentHash;

/** SHA-256 (hex) over the RFC 8785 JSON of mesh and request: the short name of exactly this request. */
export const requestDigestOf = (meshId: string, request: ApprovableRequest): string =>
  sha256(canonicalBytes({ v: 1, meshId, request }));

const sha256 = (bytes: Uint8Array): string => toHex(createHash('sha256').update(bytes).digest());
