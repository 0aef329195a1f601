import { createHash } from 'node:crypto';
import { CLIENT_LIMITS } from '@keymesh/contracts';
import { fromBase64Url, fromUtf8, SECOND, toBase64Url, utf8 } from '@keymesh/kernel';
import type { NkeyPair } from '@keymesh/mesh';
import type { AuthorizationRequest } from '@nats-io/jwt';
import { z } from 'zod';
import type { Admission } from '../domain/admission.js';
import { isSignedBy } from './nkey-proof.js';

// SOURCE: NATS ADR-14 (JWT library) and ADR-26 (auth callout). Our own few lines, because the JavaScript library signs with an
// Ed25519 in JavaScript: 25 to 100 ms of the event loop a token, and every connection takes two.
const HEADER = toBase64Url(utf8(JSON.stringify({ typ: 'JWT', alg: 'ed25519-nkey' })));

/** What of an authorization request we read; the server signs it. */
export const authorizationClaims = z.object({
  iss: z.string(),
  nats: z.object({
    server_id: z.object({ id: z.string(), xkey: z.string().optional() }),
    user_nkey: z.string(),
    request_nonce: z.string().optional(),
    client_info: z.object({
      id: z.number().optional(),
      host: z.string().optional(),
      nonce: z.string().optional(),
    }),
    /** Of a connection whose certificate the server verified: chains in PEM, each from the client's on. */
    client_tls: z
      .object({
        verified_chains: z
          .array(z.array(z.string().max(16_384)).max(8))
          .max(8)
          .optional(),
      })
      .optional(),
    connect_opts: z.object({
      nkey: z.string().optional(),
      sig: z.string().optional(),
      user: z.string().optional(),
    }),
    type: z.literal('authorization_request'),
  }) satisfies z.ZodType<Pick<AuthorizationRequest, 'user_nkey'>>,
});
export type AuthorizationClaims = z.output<typeof authorizationClaims>;

/** Reads a request and checks the signature of the server that it names. @returns undefined for anything else. */
export function readAuthorizationRequest(token: string): AuthorizationClaims['nats'] | undefined {
  const [header = '', payload = '', signature = '', ...rest] = token.split('.');
  const claims = authorizationClaims.safeParse(parseJson(payload));
  if (rest.length > 0 || !claims.success) return undefined;
  const { iss, nats } = claims.data;
  const isServers = iss === nats.server_id.id && iss.startsWith('N');
  return isServers && isSignedBy(iss, utf8(`${header}.${payload}`), signature) ? nats : undefined;
}

function parseJson(base64Url: string): unknown {
  try {
    return JSON.parse(fromUtf8(fromBase64Url(base64Url) ?? new Uint8Array()));
  } catch {
    return undefined;
  }
}

interface Claims {
  readonly sub: string;
  readonly aud: string;
  readonly name?: string;
  readonly exp?: number;
  readonly nats: Readonly<Record<string, unknown>>;
}

function sign(claims: Claims, issuer: NkeyPair, nowMs: number): string {
  const unnamed = { ...claims, iss: issuer.publicKey, iat: Math.floor(nowMs / SECOND) };
  const jti = createHash('sha256').update(JSON.stringify(unnamed)).digest('base64url');
  const body = `${HEADER}.${toBase64Url(utf8(JSON.stringify({ ...unnamed, jti })))}`;
  return `${body}.${toBase64Url(issuer.sign(utf8(body)))}`;
}

/** The user JWT of one connection: exactly the permissions of its admission, in its account, until it ends. */
export const signUserJwt = (
  { principal, account, permissions, expiresAtMs }: Admission,
  userNkey: string,
  issuer: NkeyPair,
  nowMs: number,
): string =>
  sign(
    {
      sub: userNkey,
      aud: account,
      name: principal,
      exp: Math.ceil(expiresAtMs / SECOND),
      nats: {
        ...CLIENT_LIMITS,
        pub: { allow: permissions.publish, deny: [] },
        sub: { allow: permissions.subscribe, deny: [] },
        type: 'user',
        version: 2,
      },
    },
    issuer,
    nowMs,
  );

/** What the server hears: a user's JWT, or an error that it writes to its log. */
export const signAuthorizationResponse = (
  answer: { readonly jwt: string } | { readonly error: string },
  { userNkey, serverId }: { readonly userNkey: string; readonly serverId: string },
  issuer: NkeyPair,
  nowMs: number,
): string =>
  sign(
    { sub: userNkey, aud: serverId, nats: { ...answer, type: 'authorization_response', version: 2 } },
    issuer,
    nowMs,
  );
