import { readFile } from 'node:fs/promises';
import { Secret } from '@keymesh/kernel';
import { kmsUnavailable } from './kms-failures.js';
import type { TransitAuth } from './settings/vault-transit.js';

/** A login is used for this part of its lease. */
const LEASE_SHARE = 0.5;

/** Who the vault is to OpenBao or HashiCorp Vault. */
export interface TransitLogin {
  /** @throws KMS_UNAVAILABLE when there is no way in. */
  token(): Promise<Secret>;
  /** The server does not know the token any more: the next call logs in again. */
  forget(): void;
}

type Post = (path: string, body: object) => Promise<unknown>;

/**
 * The token: of a file that an agent keeps fresh, or of a login whose lease has time left.
 * @param post sends a login without a token and returns the server's answer.
 */
export function makeTransitLogin(auth: TransitAuth, post: Post): TransitLogin {
  if (auth.method === 'token') return { token: () => readSecret(auth.tokenFile), forget: () => undefined };
  let lease: Lease | undefined;
  let loggingIn: Promise<Lease> | undefined;
  return {
    async token() {
      if (lease !== undefined && performance.now() < lease.until) return lease.token;
      // One login for all who wait: a secret id may be good for one use only.
      loggingIn ??= logIn(auth, post).finally(() => (loggingIn = undefined));
      lease = await loggingIn;
      return lease.token;
    },
    forget() {
      lease = undefined;
    },
  };
}

type LeasedAuth = Exclude<TransitAuth, { method: 'token' }>;

interface Lease {
  readonly token: Secret;
  /** Monotonic, ms. */
  readonly until: number;
}

async function logIn(auth: LeasedAuth, post: Post): Promise<Lease> {
  const { path, body } = await credentialsOf(auth);
  const answer = (await post(path, body)) as
    { readonly auth?: { readonly client_token?: unknown; readonly lease_duration?: unknown } } | undefined;
  const token = answer?.auth?.client_token;
  if (typeof token !== 'string') throw kmsUnavailable('vault-transit', 'the login was refused');
  const leaseMs = Number(answer?.auth?.lease_duration ?? 0) * 1_000;
  return { token: Secret.fromText(token, 'transit-token'), until: performance.now() + leaseMs * LEASE_SHARE };
}

async function credentialsOf(auth: LeasedAuth): Promise<{ path: string; body: object }> {
  using secret = await readSecret(auth.method === 'approle' ? auth.secretIdFile : auth.jwtFile);
  // EXPOSE: what the login sends, over TLS; JSON has to be a string.
  const text = Buffer.from(secret.expose()).toString('utf8');
  const body =
    auth.method === 'approle' ? { role_id: auth.roleId, secret_id: text } : { role: auth.role, jwt: text };
  return { path: `auth/${auth.mount}/login`, body };
}

async function readSecret(path: string): Promise<Secret> {
  const bytes = await readFile(path).catch(() => {
    throw kmsUnavailable('vault-transit', 'a credential file cannot be read');
  });
  const text = bytes.toString('utf8').trim();
  bytes.fill(0);
  return Secret.fromText(text, 'transit-credential');
}
