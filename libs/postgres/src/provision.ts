import type { Secret } from '@keymesh/kernel';
import type { Client } from 'pg';
import { withClient } from './admin-client.js';
import type { DatabasePassword } from './database-url.js';
import { identifier } from './identifier.js';
import { scramVerifier } from './scram.js';

/** A role to make, or to give this password. */
export interface RoleDeclaration {
  readonly name: string;
  readonly password: Secret;
}

export interface ProvisionOptions extends DatabasePassword {
  /** URL of a role that may create roles and databases. */
  readonly url: string;
  /** Default `keymesh`. */
  readonly database?: string;
  /** Owns the database's schemas; runs migrations. */
  readonly deployRole: RoleDeclaration;
  /** One per service; each may connect and use what `migrateSchema` grants it, nothing else. */
  readonly serviceRoles: readonly RoleDeclaration[];
}

/**
 * Makes the database and its roles, or brings them up to date. Idempotent; safe to repeat after a crash at any point.
 * @throws STORE_UNAVAILABLE, or INTERNAL when the admin may not.
 */
export async function provisionDatabase(options: ProvisionOptions): Promise<void> {
  const { database = 'keymesh', deployRole, serviceRoles, ...admin } = options;
  const applicationName = 'keymesh-provision';
  await withClient({ ...admin, applicationName }, async (client) => {
    for (const role of [deployRole, ...serviceRoles]) await ensureRole(client, role);
    // The admin of a managed server is no superuser: it must be a member of the role it makes an owner.
    await client.query(`GRANT ${identifier(deployRole.name)} TO CURRENT_USER`).catch(ignoreOwnMembership);
    await ensureDatabase(client, database, deployRole.name);
  });
  await withClient({ ...admin, database, applicationName }, async (client) => {
    const grantees = serviceRoles.map((role) => identifier(role.name)).join(', ');
    const name = identifier(database);
    await client.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`);
    await client.query('REVOKE ALL ON SCHEMA public FROM PUBLIC');
    await client.query(`GRANT CONNECT, CREATE ON DATABASE ${name} TO ${identifier(deployRole.name)}`);
    if (grantees !== '') await client.query(`GRANT CONNECT ON DATABASE ${name} TO ${grantees}`);
  });
}

// A superuser is a member of everything already; Postgres refuses nothing but a circle.
function ignoreOwnMembership(error: { code?: string }): void {
  if (error.code !== '0LP01') throw error as Error;
}

async function ensureRole(client: Client, role: RoleDeclaration): Promise<void> {
  const name = identifier(role.name);
  const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role.name]);
  if (rowCount === 0) await client.query(`CREATE ROLE ${name}`);
  const verifier = client.escapeLiteral(scramVerifier(role.password));
  await client.query(`ALTER ROLE ${name} LOGIN NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD ${verifier}`);
}

async function ensureDatabase(client: Client, database: string, owner: string): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
  if (rowCount === 0) {
    await client.query(
      `CREATE DATABASE ${identifier(database)} OWNER ${identifier(owner)} TEMPLATE template0 ENCODING 'UTF8'`,
    );
  }
}
