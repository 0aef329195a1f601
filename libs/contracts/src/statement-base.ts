import { z } from 'zod';
import { principalName } from './identity.js';

/** Ed25519 public key: 32 bytes, base64url. */
export const publicKey = z.string().length(43);
/** NATS user public key. */
export const nkeyPublic = z.string().regex(/^U[A-Z2-7]{55}$/);

/** What every statement has. */
export const base = {
  v: z.literal(1),
  meshId: z.string(),
  statementId: z.uuid(),
  issuedAt: z.iso.datetime(),
  issuer: principalName,
};
