import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { RunningMesh } from './running-mesh.js';

/** The embedded Postgres of a mesh, for specs that need a server with roles of their own. */
export interface MeshDatabase {
  readonly port: number;
  /** Runs one statement as the superuser, in the named database. */
  admin(statement: string, database?: string): Promise<pg.QueryResult>;
  /** Every table of a database as `schema.table` and its rows as text: what files hold compressed is readable here, bytes as hex. */
  dump(database: string): Promise<(readonly [table: string, rows: string])[]>;
  /** Logs in as a role. @returns `ok`, or the server's SQLSTATE. */
  logIn(role: string, password: string): Promise<string>;
}

export const DATABASE = 'postgres';
const SUPERUSER = 'keymesh_admin';

export async function openMeshDatabase(mesh: RunningMesh): Promise<MeshDatabase> {
  const { postgresPort: port } = JSON.parse(await readFile(join(mesh.home, 'mesh.json'), 'utf8')) as {
    postgresPort: number;
  };
  const superuser = (await readFile(join(mesh.home, 'secrets/postgres/superuser.password'), 'utf8')).trim();
  const connect = async (user: string, password: string, database = DATABASE): Promise<pg.Client> => {
    const client = new pg.Client({ host: '127.0.0.1', port, user, password, database });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  const admin: MeshDatabase['admin'] = async (statement, database) => {
    const client = await connect(SUPERUSER, superuser, database);
    try {
      return await client.query(statement);
    } finally {
      await client.end();
    }
  };
  return {
    port,
    admin,
    dump: async (database) => {
      const found = await admin(
        `SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
        database,
      );
      const names = (found.rows as { name: string }[]).map(({ name }) => name);
      return Promise.all(
        names.map(async (name) => {
          const { rows } = await admin(`SELECT t::text AS line FROM ${name} t`, database);
          return [name, (rows as { line: string }[]).map(({ line }) => line).join('\n')] as const;
        }),
      );
    },
    logIn: async (role, password) => {
      try {
        await (await connect(role, password)).end();
        return 'ok';
      } catch (error) {
        return (error as { code?: string }).code ?? String(error);
      }
    },
  };
}
