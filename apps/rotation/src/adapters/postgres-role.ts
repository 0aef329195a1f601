import { fromUtf8, type Secret } from '@keymesh/kernel';
import {
  OK,
  refused,
  retryLater,
  type AdapterResult,
  type ProviderAdapter,
  type RevealedVersion,
  type StepContext,
  type Vault,
} from '../domain/ports.js';
import { createByVault } from './create-by-vault.js';
import { logIn, sqlState, type PostgresSession } from './postgres-login.js';
import { parsePostgresSettings, type PostgresSettings } from './postgres-settings.js';
import { deriveScramVerifier } from './scram-verifier.js';

/**
 * The password of a PostgreSQL role, changed by the role itself. A role has one password, so from `set` to `finish` only the
 * new one works while the vault still serves the old one; the runner does these steps without a pause.
 * Credential type username_password; settings host, port, database, sslmode.
 */
export const makePostgresRoleAdapter = (
  vault: Vault,
  server: PostgresServer = postgres,
): ProviderAdapter => ({
  create: createByVault(vault),
  set: (context) => withLogins(context, (logins) => changeTo(context, server, logins, 'new')),
  test: (context) => withLogins(context, ({ settings, fresh }) => testLogin(server, settings, fresh)),
  rollback: (context) => withLogins(context, (logins) => changeTo(context, server, logins, 'old')),
});

/** PostgreSQL as this adapter needs it; a port, so that the state machine can be simulated with it. */
export interface PostgresServer {
  readonly logIn: typeof logIn;
  readonly deriveVerifier: (password: Secret) => string;
}

const postgres: PostgresServer = { logIn, deriveVerifier: deriveScramVerifier };

interface Account {
  readonly username: string;
  readonly password: Secret;
}

interface Logins {
  readonly settings: PostgresSettings;
  readonly old: Account;
  readonly fresh: Account;
}

/** Reveals both versions for the time of `use`. */
async function withLogins(
  context: StepContext,
  use: (logins: Logins) => Promise<AdapterResult>,
): Promise<AdapterResult> {
  const settings = parsePostgresSettings(context.settings);
  if (settings === undefined) return refused('SETTINGS_INVALID');
  using oldVersion = await context.reveal('old');
  using newVersion = await context.reveal('new');
  const old = accountOf(oldVersion);
  const fresh = accountOf(newVersion);
  if (old === undefined || fresh?.username !== old.username) return refused('VALUES_INVALID');
  return await use({ settings, old, fresh }); // awaited, so that the values live until it is over
}

function accountOf({ values: { username, password } }: RevealedVersion): Account | undefined {
  if (username === undefined || password === undefined || username.sizeBytes === 0) return undefined;
  // EXPOSE: a user name is sent to the server in clear by its protocol; it is not logged here.
  return { username: fromUtf8(username.expose()), password };
}

/**
 * Makes one of the two passwords the valid one. Finds out which one works before acting: after a crash the change may or may not
 * have happened. The likelier one is tried first, since each miss is a failed login in the server's log.
 */
async function changeTo(
  context: StepContext,
  server: PostgresServer,
  { settings, old, fresh }: Logins,
  target: 'old' | 'new',
): Promise<AdapterResult> {
  const [wanted, other] = target === 'new' ? [fresh, old] : [old, fresh];
  const attempts = context.workflow.providerTouched ? [wanted, other] : [other, wanted];
  for (const account of attempts) {
    const login = await server.logIn(settings, account.username, account.password);
    if (login.ok && account === wanted) return closed(login.session, OK);
    if (login.ok) return alterPassword(context, server, login.session, wanted);
    if (login.reason !== 'PROVIDER_LOGIN_REFUSED') return login;
  }
  return refused('PROVIDER_LOGIN_REFUSED');
}

async function alterPassword(
  context: StepContext,
  server: PostgresServer,
  session: PostgresSession,
  wanted: Account,
): Promise<AdapterResult> {
  try {
    const verifier = server.deriveVerifier(wanted.password);
    await context.markTouched();
    if (context.signal.aborted) return retryLater('PROVIDER_UNREACHABLE');
    try {
      await session.changePassword(verifier);
      return OK;
    } catch (error) {
      // A server's own error means that nothing changed; a broken connection leaves it open, and the next attempt finds out.
      return sqlState(error) === undefined ? retryLater('PROVIDER_UNREACHABLE') : answered(error);
    }
  } finally {
    await session.close().catch(() => undefined);
  }
}

// SOURCE: PostgreSQL appendix A: classes 53, 57 and 40 pass by themselves (resources, shutdown, serialisation).
const answered = (error: unknown): AdapterResult =>
  /^(40|53|57)/.test(sqlState(error) ?? '')
    ? retryLater('PROVIDER_UNREACHABLE')
    : refused('PROVIDER_REFUSED');

async function testLogin(
  server: PostgresServer,
  settings: PostgresSettings,
  { username, password }: Account,
): Promise<AdapterResult> {
  const login = await server.logIn(settings, username, password);
  if (!login.ok) return login.retryable ? login : refused('TEST_FAILED');
  try {
    return (await login.session.currentUser()) === username ? OK : refused('TEST_FAILED');
  } catch {
    return retryLater('PROVIDER_UNREACHABLE');
  } finally {
    await login.session.close().catch(() => undefined);
  }
}

async function closed(session: PostgresSession, result: AdapterResult): Promise<AdapterResult> {
  await session.close().catch(() => undefined);
  return result;
}
