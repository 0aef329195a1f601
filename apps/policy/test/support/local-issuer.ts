import { createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { SignJWT, type JWK, type JWTHeaderParameters, type JWTPayload } from 'jose';

export interface IssuerKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly jwk: JWK;
}

type Algorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA';

export function makeIssuerKey(alg: Algorithm = 'ES256', kid: string = randomUUID()): IssuerKey {
  const privateKey = generate(alg);
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' }) as JWK;
  return { kid, alg, privateKey, jwk: { ...jwk, kid, alg, use: 'sig' } };
}

function generate(alg: Algorithm): KeyObject {
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519').privateKey;
  return generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
}

/** An issuer as they are: discovery and keys over HTTP or, with a certificate, HTTPS, on the loopback. */
export interface LocalIssuer {
  readonly url: string;
  /** Published, newest first. */
  keys: IssuerKey[];
  /** Answers instead, by path; a text that begins with http redirects there. */
  answer: ((path: string) => string | Promise<string> | undefined) | undefined;
  /** How often it was asked for anything. */
  asked: number;
  stop(): Promise<void>;
}

export async function startLocalIssuer(tls?: Readonly<Record<'cert' | 'key', string>>): Promise<LocalIssuer> {
  const answer: RequestListener = (request, response) => {
    const path = request.url ?? '';
    issuer.asked += 1;
    void Promise.resolve(issuer.answer?.(path) ?? documentAt(path)).then((body) => {
      if (body.startsWith('http')) response.writeHead(302, { location: body }).end();
      else response.setHeader('content-type', 'application/json').end(body);
    });
  };
  const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  const documentAt = (path: string): string =>
    JSON.stringify(
      path === '/.well-known/openid-configuration'
        ? { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` }
        : { keys: issuer.keys.map(({ jwk }) => jwk) },
    );
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const issuer: LocalIssuer = {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    keys: [makeIssuerKey()],
    answer: undefined,
    asked: 0,
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
  return issuer;
}

export const signToken = (
  key: IssuerKey,
  claims: JWTPayload,
  head: Partial<JWTHeaderParameters> = {},
): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: key.alg, kid: key.kid, ...head }).sign(key.privateKey);
