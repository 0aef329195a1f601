import { createHash } from 'node:crypto';
import { fromBase64Url, toHex } from '@keymesh/kernel';

const hashOf = (publicKeyText: string): string =>
  toHex(
    createHash('sha256')
      .update(fromBase64Url(publicKeyText) ?? new Uint8Array())
      .digest(),
  );

/**
 * The mesh's id: the first 16 bytes (hex) of SHA-256 of its public key. Derived, so that the holder of an enrolment
 * token, who knows only that hash, can name the mesh in what it signs.
 */
export const meshIdOf = (meshPublicKey: string): string => hashOf(meshPublicKey).slice(0, 32);

/** The same, from the hash that an enrolment token carries. */
export const meshIdOfHash = (meshKeyHash: Uint8Array): string => toHex(meshKeyHash).slice(0, 32);

/**
 * Statement id of the `enrolment.issued` that invites with this token key: a UUID version 8 (RFC 9562 section 5.8) of its
 * SHA-256. Derived, so that the token's bearer knows which invitation it completes.
 */
export function enrolmentIdOf(tokenKey: string): string {
  const hex = hashOf(tokenKey);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
