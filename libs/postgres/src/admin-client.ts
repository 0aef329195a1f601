import { Client } from 'pg';
import { parseDatabaseUrl, passwordReader, type DatabasePassword } from './database-url.js';
import { translatePostgresError } from './errors.js';

export interface AdminConnection extends DatabasePassword {
  readonly url: string;
  /** Connect to this database instead of the URL's. */
  readonly database?: string;
  readonly applicationName: string;
}

/**
 * Runs `work` on one connection of its own, outside any pool (deploy-time work: session locks, roles, databases).
 * @throws STORE_UNAVAILABLE, or whatever `work` throws, translated.
 */
export async function withClient<T>(
  connection: AdminConnection,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const address = parseDatabaseUrl(connection.url);
  const client = new Client({
    ...address,
    database: connection.database ?? address.database,
    password: passwordReader(connection),
    application_name: connection.applicationName,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  // A connection that breaks while idle must not end the process; the next query reports it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    throw translatePostgresError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
