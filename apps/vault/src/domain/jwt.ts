import { createPrivateKey, type KeyObject } from 'node:crypto';
import { failure, type JwtAlgorithm } from '@keymesh/contracts';
import { fromUtf8, Secret } from '@keymesh/kernel';
import { SignJWT } from 'jose';
import type { Lease } from './leases.js';
import type { Values } from './parts.js';

/** `iss` of tokens whose key does not name one. */
const DEFAULT_ISSUER = 'keymesh';

/**
 * A JSON Web Token (RFC 7519) for a lease: `sub` is its principal, `jti` its id, `exp` its end, `aud` whom it is for.
 * @param values of a `jwt_signing_key`; the caller keeps ownership.
 * @returns the compact form; it was a string on the way, of which no copy can be wiped.
 * @throws DENIED for an audience that the key's owner does not allow, CREDENTIAL_DAMAGED for a key that signs nothing.
 */
export async function signToken(
  values: Values,
  lease: Lease,
  { nowMs, audience }: { readonly nowMs: number; readonly audience: string | undefined },
): Promise<Secret<'token'>> {
  const allowed = listOf(values.audiences);
  if (allowed !== undefined && (audience === undefined || !allowed.includes(audience))) {
    throw failure('DENIED', {
      publicMessage: 'This key signs no token for that audience. Ask its owner which ones it may.',
    });
  }
  const { key, algorithm } = readKey(values);
  const keyId = textOf(values.key_id);
  const token = new SignJWT({})
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) })
    .setIssuer(textOf(values.issuer) ?? DEFAULT_ISSUER)
    .setSubject(lease.principal)
    .setJti(lease.leaseId)
    .setIssuedAt(Math.floor(nowMs / 1_000))
    .setExpirationTime(Math.floor(lease.expiresAtMs / 1_000));
  if (audience !== undefined) token.setAudience(audience);
  return Secret.fromText(await token.sign(key), 'token');
}

function readKey({ private_key: pem }: Values): { key: KeyObject; algorithm: string } {
  if (pem === undefined) throw damaged();
  // EXPOSE: becomes a KeyObject, which is not printed.
  const key = createPrivateKey({ key: Buffer.from(pem.expose()), format: 'pem' });
  const algorithm = ALGORITHMS[key.asymmetricKeyType ?? ''];
  if (algorithm === undefined) throw damaged();
  return { key, algorithm };
}

/** RFC 7518 section 3.1, RFC 8037 section 3.1: for each kind of key that the type accepts. */
const ALGORITHMS: Readonly<Record<string, JwtAlgorithm>> = { ed25519: 'EdDSA', rsa: 'RS256', ec: 'ES256' };

const damaged = () =>
  failure('CREDENTIAL_DAMAGED', { details: { reason: 'the signing key of the version signs nothing' } });

// EXPOSE: parts that are no secrets by the type's own word, and go into the token.
const textOf = (part: Secret | undefined): string | undefined =>
  part === undefined ? undefined : fromUtf8(part.expose());

const listOf = (part: Secret | undefined): readonly string[] | undefined =>
  textOf(part)
    ?.split(/[\s,]+/)
    .filter((one) => one !== '');
