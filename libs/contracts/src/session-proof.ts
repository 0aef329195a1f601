import { createHash } from 'node:crypto';
import { fromBase64Url, lengthPrefixed, signTextFor, verifyFor, type SigningKey } from '@keymesh/kernel';
import type { BundleSession } from './identity-rule-statements.js';
import type { SessionRequest } from './operations/sessions.js';

/** The keys that a session is about. */
export type SessionKeys = Pick<BundleSession, 'nkey' | 'channelKey'> & { readonly meshId: string };

type Unproven<T = SessionRequest> = T extends unknown ? Omit<T, 'proof'> : never;

const PURPOSE = 'keymesh/v1/session-request';

const covered = (request: Unproven): Uint8Array => {
  const { meshId, nkey, channelKey } = request;
  const keys = [meshId, nkey, channelKey] as const;
  if ('token' in request) return lengthPrefixed(...keys, 'token', request.token);
  const { chain, notAfter, signature } = request.certificate;
  return lengthPrefixed(...keys, 'certificate', ...chain, notAfter, signature);
};

/** Signs with the fresh channel key what it is to be sent with: nobody gives a key that is not its own. */
export const proveSessionRequest = (request: Unproven, key: SigningKey): SessionRequest => ({
  ...request,
  proof: signTextFor(PURPOSE, covered(request), key),
});

/** Whether the channel key that a request names signed it. Never throws. */
export function isSessionRequestProven({ proof, ...request }: SessionRequest): boolean {
  const signature = fromBase64Url(proof);
  return signature !== undefined && verifyFor(PURPOSE, covered(request), signature, request.channelKey);
}

/** What a certificate's key signs (ECDSA and RSA-PSS with SHA-256, or Ed25519) to vouch for a session's keys until `notAfter`. */
export const certificateProofBytes = (
  { meshId, nkey, channelKey }: SessionKeys,
  notAfter: string,
): Uint8Array => lengthPrefixed('keymesh/v1/certificate-proof', meshId, nkey, channelKey, notAfter);

/** User name in CONNECT of who wants to open a session, and nothing else. */
export const SESSION_USER = 'session';

/** Under which name somebody asks for a session: nobody's, made of the fresh nkey, so that each has subjects and an inbox of its own. */
export const sessionAskerOf = (nkey: string): string =>
  `session-${createHash('sha256').update(nkey).digest('hex').slice(0, 40)}`;
