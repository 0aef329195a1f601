import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CredentialMetadata } from '@keymesh/contracts';
import { systemClock } from '@keymesh/kernel';
import { makeCaller, type Caller } from '@keymesh/mesh';
import { migrateSchema } from '@keymesh/postgres';
import {
  makeServiceHome,
  serveFake,
  startServiceProcess,
  startTestMesh,
  startTestPostgres,
  type ServiceHome,
  type ServiceProcess,
  type TestMesh,
  type TestPostgres,
  type TestPrincipal,
} from '@keymesh/testing';
import pg from 'pg';
import { MIGRATIONS } from '../../src/migrations/index.js';
import { makeFakeVault, type FakeVault } from './fake-vault.js';

const MAIN = join(import.meta.dirname, '../../dist/main.js');

/** A mesh with everything that the rotation service needs but the real vault. */
export interface RotationMesh {
  readonly mesh: TestMesh;
  readonly postgres: TestPostgres;
  readonly home: ServiceHome;
  readonly vault: FakeVault;
  /** Roles writer, reader, and one that permits nothing. */
  readonly writer: TestPrincipal;
  readonly reader: TestPrincipal;
  readonly outsider: TestPrincipal;
  readonly operator: TestPrincipal;
  callerOf(principal: TestPrincipal): Promise<Caller>;
  /** Starts the service as a process, with short times. */
  start(more?: Record<string, string>): Promise<ServiceProcess>;
  /** Queries as the superuser, in the schema `rotation`. */
  sql<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Whether a role logs in with this password. */
  logsIn(role: string, password: string): Promise<boolean>;
  /** What the database server has logged so far. */
  serverLog(): string;
  stop(): Promise<void>;
}

export async function startRotationMesh(): Promise<RotationMesh> {
  const [mesh, postgres] = await Promise.all([startTestMesh(), startTestPostgres()]);
  const { deployUrl: url, password } = postgres;
  await migrateSchema({
    url,
    password,
    schema: 'rotation',
    role: postgres.roleOf('rotation'),
    migrations: MIGRATIONS,
  });
  const home = await makeServiceHome(mesh, postgres);
  const writer = mesh.addPrincipal('writer', ['writer']);
  const reader = mesh.addPrincipal('reader', ['reader']);
  const outsider = mesh.addPrincipal('outsider', ['plain-reply']);
  const { operator } = mesh;
  await home.publishBundle([writer, reader, outsider, operator]);
  const vault = makeFakeVault(mesh);
  const served = await serveFake(mesh, 'vault', vault.operations);
  const admin = new pg.Client(connectionOf(postgres, 'keymesh'));
  await admin.connect();
  await admin.query(`SET search_path = rotation`);
  await admin.query(`ALTER DATABASE keymesh SET log_statement = 'all'`);
  return {
    mesh,
    postgres,
    home,
    vault,
    writer,
    reader,
    outsider,
    operator,
    callerOf: async (principal) =>
      makeCaller({
        connection: await mesh.connectAs(principal),
        principal: principal.name,
        signingKey: principal.signingKey,
        meshPublicKey: mesh.trustRoot.meshPublicKey,
        clock: systemClock,
      }),
    start: (more = {}) =>
      startServiceProcess(
        MAIN,
        home.environmentOf('rotation', {
          KEYMESH_ROTATION_LEASE_SECONDS: '2',
          KEYMESH_ROTATION_POLL_MS: '100',
          KEYMESH_ROTATION_FIRST_RETRY_MS: '50',
          KEYMESH_ROTATION_SCHEDULE_POLL_SECONDS: '1',
          ...more,
        }),
      ),
    sql: async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
      (await admin.query<Row>(text, values)).rows,
    logsIn: (role, given) => logsIn(postgres, role, given),
    serverLog: () => readFileSync(join(dirname(postgres.passwordFile), 'log'), 'utf8'),
    stop: async () => {
      await served.stop();
      await admin.end();
      await mesh.stop();
      await home.stop();
      await postgres.stop();
    },
  };
}

const connectionOf = ({ adminUrl, port, password }: TestPostgres, database: string) => ({
  host: '127.0.0.1',
  port,
  database,
  user: new URL(adminUrl).username,
  password: Buffer.from(password.expose()).toString(), // EXPOSE: the superuser of a spec's own server
});

async function logsIn({ port }: TestPostgres, user: string, password: string): Promise<boolean> {
  const client = new pg.Client({ host: '127.0.0.1', port, database: 'keymesh', user, password });
  try {
    await client.connect();
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === '28P01') return false;
    throw error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Metadata of a credential as the vault describes it. */
export function describedCredential(fields: Partial<CredentialMetadata> = {}): CredentialMetadata {
  const now = new Date().toISOString();
  return {
    credentialId: randomUUID(),
    name: `credential-${randomUUID()}`,
    namespace: 'default',
    type: 'generic',
    provider: null,
    description: null,
    tags: [],
    owner: 'writer',
    label: null,
    status: 'active',
    isActive: true,
    sensitivity: null,
    strengthScore: null,
    deletedAt: null,
    recoverableUntil: null,
    version: 1,
    revision: 1,
    rotation: { adapter: 'generated', intervalSeconds: 0 },
    createdAt: now,
    updatedAt: now,
    versionCreatedAt: now,
    expiresAt: null,
    ...fields,
  };
}

/** Makes a real role, and a credential of it in the vault. */
export async function addRole(on: RotationMesh, name: string, password: string) {
  await on.sql(`CREATE ROLE ${name} LOGIN PASSWORD '${password}'`);
  await on.sql(`GRANT CONNECT ON DATABASE keymesh TO ${name}`);
  const metadata = describedCredential({
    name,
    type: 'username_password',
    rotation: {
      adapter: 'postgres-role',
      intervalSeconds: 0,
      settings: { host: '127.0.0.1', port: on.postgres.port, database: 'keymesh' },
    },
  });
  return on.vault.add(metadata, { username: name, password });
}
