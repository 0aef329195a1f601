import pg from 'pg';
import { fromUtf8, type Secret } from '@keymesh/kernel';
import type { AdapterReason } from '../domain/ports.js';
import type { PostgresSettings } from './postgres-settings.js';

/** A login, or why there is none. `PROVIDER_LOGIN_REFUSED` is only ever the server's answer that this password is wrong. */
export type Login =
  | { readonly ok: true; readonly session: PostgresSession }
  | { readonly ok: false; readonly reason: AdapterReason; readonly retryable: boolean };

/** A connection logged in as the role itself. */
export interface PostgresSession {
  /** `ALTER ROLE CURRENT_USER PASSWORD`, given a verifier, never a password. @throws the driver's error. */
  changePassword(verifier: string): Promise<void>;
  /** @returns the role that the server sees. */
  currentUser(): Promise<string>;
  close(): Promise<void>;
}

// SOURCE: PostgreSQL appendix A: 28P01 invalid_password; 28000 invalid_authorization_specification (no such role, no pg_hba line).
const WRONG_PASSWORD = '28P01';
const NOT_AUTHORISED = '28000';
const CONNECT_TIMEOUT_MS = 8_000;
const STATEMENT_TIMEOUT_MS = 8_000;

/**
 * Logs in over a new connection with SCRAM-SHA-256 and nothing else: a server that asks for the password in clear or as MD5
 * never gets it, and one that asks for none (`trust`) proves nothing about a password, so it is not accepted either.
 * @param password UTF-8 bytes; the caller keeps ownership. The driver needs a string, which JavaScript cannot wipe.
 */
export async function logIn(settings: PostgresSettings, username: string, password: Secret): Promise<Login> {
  const proof = { scram: false, other: false };
  const client = new pg.Client({
    host: settings.host,
    port: settings.port,
    database: settings.database,
    user: username,
    application_name: 'keymesh-rotation',
    ssl: settings.sslmode === 'disable' ? false : { rejectUnauthorized: settings.sslmode === 'verify-full' },
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    password: () => {
      if (proof.other) throw new Error('the server asks for the password in another way than SCRAM');
      // EXPOSE: the SCRAM exchange derives its keys from it; the password itself is not sent.
      return fromUtf8(password.expose());
    },
  });
  client.on('error', () => undefined); // a connection that breaks later fails the query that runs on it
  watchAuthentication(client, proof);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    return proof.other ? notScram : failedLogin(error);
  }
  if (!proof.scram) {
    await client.end().catch(() => undefined);
    return notScram;
  }
  return { ok: true, session: sessionOf(client) };
}

const notScram: Login = { ok: false, reason: 'PROVIDER_AUTH_UNSUPPORTED', retryable: false };

// The driver has no option that demands a method, so its protocol events are watched; ours run before its own handlers.
function watchAuthentication(client: pg.Client, proof: { scram: boolean; other: boolean }): void {
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter };
  connection.on('authenticationCleartextPassword', () => (proof.other = true));
  connection.on('authenticationMD5Password', () => (proof.other = true));
  connection.on('authenticationSASLFinal', () => (proof.scram = true));
}

function failedLogin(error: unknown): Login {
  const code = sqlState(error);
  if (code === WRONG_PASSWORD) return { ok: false, reason: 'PROVIDER_LOGIN_REFUSED', retryable: false };
  if (code === NOT_AUTHORISED) return { ok: false, reason: 'PROVIDER_REFUSED', retryable: false };
  return { ok: false, reason: 'PROVIDER_UNREACHABLE', retryable: true };
}

/** The five-character SQLSTATE of a server's error, or undefined for anything else. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

const VERIFIER = /^SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$/;

function sessionOf(client: pg.Client): PostgresSession {
  return {
    changePassword: async (verifier) => {
      // INVARIANT: what reaches the server is a verifier. A plaintext here would end in its log and in pg_stat_activity.
      if (!VERIFIER.test(verifier)) throw new Error('not a SCRAM verifier');
      await client.query(`ALTER ROLE CURRENT_USER PASSWORD '${verifier}'`); // a utility statement takes no parameters
    },
    currentUser: async () => {
      const { rows } = await client.query<{ role: string }>('select current_user as role');
      return rows[0]?.role ?? '';
    },
    close: () => client.end(),
  };
}
