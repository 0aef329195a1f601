import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { failure } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';

/** Where a database is and as whom we come. Never holds a password. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** `false`: no TLS. Otherwise the server's certificate is checked, unless the URL says `sslmode=no-verify`. */
  readonly ssl: false | { readonly rejectUnauthorized: boolean; readonly ca?: string };
}

/** A password in memory, or the file it is in (read at each connection, so that it may be rotated). */
export interface DatabasePassword {
  readonly password?: Secret;
  readonly passwordFile?: string;
}

const invalid = (rule: string): never => {
  throw failure('CONFIG_INVALID', { publicMessage: `The database URL is not valid: ${rule}.` });
};

/**
 * Reads `postgres://user@host:port/database?sslmode=…&sslrootcert=FILE`.
 * @throws CONFIG_INVALID with the rule, never the URL; a password inside the URL is refused, because URLs get logged.
 */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  const url = URL.canParse(text)
    ? new URL(text)
    : invalid('it must look like postgres://user@host:5432/database');
  if (!/^postgres(ql)?:$/.test(url.protocol)) invalid('it must start with postgres://');
  if (url.password !== '') invalid('it must hold no password; put that into the password file');
  const database = decodeURIComponent(url.pathname.slice(1));
  if (url.username === '' || database === '') invalid('it must name the user and the database');
  const mode = url.searchParams.get('sslmode') ?? 'disable';
  const caFile = url.searchParams.get('sslrootcert');
  const ca = caFile === null ? {} : { ca: readFileSync(caFile, 'utf8') };
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 5432 : Number(url.port),
    database,
    user: decodeURIComponent(url.username),
    ssl: mode === 'disable' ? false : { rejectUnauthorized: mode !== 'no-verify', ...ca },
  };
}

/** A function as `pg` wants it: called at each new connection. */
export function passwordReader(source: DatabasePassword): () => Promise<string> {
  const { password, passwordFile } = source;
  // EXPOSE: the driver takes the password as a string and sends only a SCRAM proof of it.
  if (password !== undefined) return () => Promise.resolve(Buffer.from(password.expose()).toString('utf8'));
  if (passwordFile === undefined) return () => Promise.resolve('');
  return async () => (await readFile(passwordFile, 'utf8')).trim();
}
