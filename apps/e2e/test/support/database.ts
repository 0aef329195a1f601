import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { RunningMesh } from './running-mesh.js';

/** The embedded Postgres of a mesh, for specs that need a server with roles of their own. */
export interface MeshDatabase {
  readonly port: number;
  /** Runs one statement as the superuser, in the named database. */
  admin(statement: string, database?: string): Promise<pg.QueryResult>;
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
  return {
    port,
    admin: async (statement, database) => {
      const client = await connect(SUPERUSER, superuser, database);
      try {
        return await client.query(statement);
      } finally {
        await client.end();
      }
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
