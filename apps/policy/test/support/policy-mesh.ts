import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { signChannelKey } from '@keymesh/channel';
import {
  certifyChannelKey,
  CONSUMERS,
  createPrincipal,
  enrolPrincipal,
  failure,
  SERVICES,
  type AuditRecord,
  type Role,
  type ServiceName,
} from '@keymesh/contracts';
import { fromUtf8, HOUR, Secret, systemClock, toBase64Url } from '@keymesh/kernel';
import {
  callPlain,
  connectMesh,
  consume,
  decodePack,
  makeCaller,
  type Caller,
  type MeshConnection,
  type MeshTls,
} from '@keymesh/mesh';
import { migrateSchema } from '@keymesh/postgres';
import {
  makeServiceHome,
  serveFake,
  serves,
  startServiceProcess,
  startTestMesh,
  startTestPostgres,
  type ServiceProcess,
  type StartTestMeshOptions,
  type TestMesh,
  type TestPostgres,
  type TestPrincipal,
} from '@keymesh/testing';
import pg from 'pg';
import { APPEND_ONLY_TABLES, MIGRATIONS } from '../../src/migrations/index.js';
import { grant, makeInvitation, type TestInvitation } from './invitations.js';

const MAIN = join(import.meta.dirname, '../../dist/main.js');

/** A mesh whose callout is the real policy service; only the vault is a fake that certifies channel keys. */
export interface PolicyMesh {
  readonly mesh: TestMesh;
  readonly postgres: TestPostgres;
  readonly operator: TestPrincipal;
  /** Starts an instance; one more when there is one. `change`: what differs in its environment. */
  start(change?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** Connects, also with keys that nobody may connect with. Closed by `stop`. */
  connect(principal: string, nkeySeed: Secret): Promise<MeshConnection>;
  callerOf(
    principal: TestPrincipal,
  ): Promise<{ readonly caller: Caller; readonly connection: MeshConnection }>;
  invite(name: string, roles?: Role[], lastsMs?: number): Promise<TestInvitation>;
  /** Connects with the token, as a client does. */
  connectWithToken(invitation: TestInvitation): Promise<MeshConnection>;
  /** The whole way: invitation, token, own keys. */
  enrol(name: string, roles?: Role[]): Promise<TestPrincipal>;
  /** Everything in the journal so far, in order. */
  records(type?: string): AuditRecord[];
  sql<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  stop(): Promise<void>;
}

const textOf = (secret: Secret): string => Buffer.from(secret.expose()).toString('utf8'); // EXPOSE: a spec's own seed, into its file

export async function startPolicyMesh(
  options: Pick<StartTestMeshOptions, 'tls'> & {
    readonly environment?: Readonly<Record<string, string>>;
  } = {},
): Promise<PolicyMesh> {
  const { tls } = options;
  const [mesh, postgres] = await Promise.all([
    startTestMesh({ callout: false, ...(tls === undefined ? {} : { tls }) }),
    startTestPostgres(),
  ]);
  const { deployUrl: url, password } = postgres;
  await migrateSchema({
    url,
    password,
    schema: 'policy',
    role: postgres.roleOf('policy'),
    migrations: MIGRATIONS,
    appendOnlyTables: APPEND_ONLY_TABLES,
  });
  const home = await makeServiceHome(mesh, postgres);
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(home.folder, name), text, { mode: 0o600 });
    return join(home.folder, name);
  };
  const environment = home.environmentOf('policy', {
    ...options.environment,
    KEYMESH_CALLOUT_ISSUER_SEED_FILE: await write('issuer', textOf(mesh.calloutIssuerSeed)),
    KEYMESH_CALLOUT_XKEY_SEED_FILE: await write('xkey', textOf(mesh.calloutXkeySeed)),
    // EXPOSE: a spec's own seed, into its file.
    KEYMESH_BUNDLE_SEED_FILE: await write('bundle', toBase64Url(mesh.bundleSeed.expose())),
    KEYMESH_SYS_SEED_FILE: await write('sys', textOf(mesh.identities.sys.nkeySeed)),
    KEYMESH_GENESIS_FILE: await write('genesis.json', JSON.stringify({ statements: genesisOf(mesh) })),
  });
  const vault = await serveFakeVault(mesh);
  const journal = await followJournal(mesh);
  const admin = new pg.Pool({
    host: '127.0.0.1',
    port: postgres.port,
    database: 'keymesh',
    user: new URL(postgres.adminUrl).username,
    password: textOf(postgres.password),
    options: '-c search_path=policy',
    max: 1,
  });
  admin.on('error', () => undefined); // specs kill the server
  const clients = makeClients(mesh, tls?.client);
  return {
    mesh,
    postgres,
    operator: mesh.operator,
    ...clients,
    start: (change = {}) => startServiceProcess(MAIN, { ...environment, ...change }),
    records: (type) => journal.records.filter((record) => type === undefined || record.type === type),
    sql: async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
      (await admin.query<Row>(text, values)).rows,
    async stop() {
      await clients.close();
      await journal.stop();
      await vault.stop();
      await admin.end();
      await mesh.stop();
      await home.stop();
      await postgres.stop();
    },
  };
}

const genesisOf = (mesh: TestMesh): string[] =>
  [mesh.operator, ...SERVICES.map((service) => mesh.identities[service])].map((principal) =>
    grant(mesh.trustRoot.meshId, principal, mesh.operator, systemClock),
  );

const serveFakeVault = (mesh: TestMesh) =>
  serveFake(mesh, 'vault', [
    serves(certifyChannelKey, ({ publicKey }, { principal }) => {
      if (!principal.startsWith('_')) throw failure('DENIED');
      const notBefore = systemClock.now() - 1_000;
      const service = principal.slice(1) as ServiceName;
      const statement = signChannelKey(
        { service, publicKey, notBefore, notAfter: notBefore + 12 * HOUR },
        mesh.meshKey,
      );
      return Promise.resolve({ statement });
    }),
  ]);

async function followJournal(mesh: TestMesh) {
  const records: AuditRecord[] = [];
  const consumption = consume(await mesh.connectAs('audit'), CONSUMERS.ledger, (delivery) => {
    const pack = decodePack(delivery.data);
    for (const { leaf } of pack.records) records.push(JSON.parse(fromUtf8(leaf)) as AuditRecord);
    return Promise.resolve();
  });
  return { records, stop: () => consumption.stop() };
}

/** Everything a client does, and closing all of it. */
function makeClients(mesh: TestMesh, tls: MeshTls | undefined) {
  const connections: MeshConnection[] = [];
  let operatorsCaller: Promise<Caller> | undefined;
  const connect: PolicyMesh['connect'] = async (principal, nkeySeed) => {
    const connection = await connectMesh({
      ...{ servers: mesh.url, nkeySeed, principal },
      ...(tls === undefined ? {} : { tls }),
    });
    connections.push(connection);
    return connection;
  };
  const callerOf: PolicyMesh['callerOf'] = async (principal) => {
    const connection = await connect(principal.name, principal.nkeySeed);
    const caller = makeCaller({
      connection,
      principal: principal.name,
      signingKey: principal.signingKey,
      meshPublicKey: mesh.trustRoot.meshPublicKey,
      clock: systemClock,
    });
    return { caller, connection };
  };
  const invite: PolicyMesh['invite'] = async (name, roles = ['reader'], lastsMs = HOUR) => {
    const kind = roles.includes('operator') ? 'operator' : 'service';
    const invitation = makeInvitation(mesh, name, systemClock, { roles, lastsMs, kind });
    operatorsCaller ??= callerOf(mesh.operator).then(({ caller }) => caller);
    await (await operatorsCaller).call(createPrincipal, { statement: invitation.statement });
    return invitation;
  };
  const connectWithToken: PolicyMesh['connectWithToken'] = ({ own, tokenNkeySeed }) =>
    connect(own.name, tokenNkeySeed);
  return {
    connect,
    callerOf,
    invite,
    connectWithToken,
    async enrol(name: string, roles: Role[] = ['reader']) {
      const invitation = await invite(name, roles);
      const connection = await connectWithToken(invitation);
      await callPlain(connection, name, enrolPrincipal, { statement: invitation.complete() });
      await connection.close();
      return invitation.own;
    },
    close: async () => {
      await Promise.all(connections.map((connection) => connection.nats.close()));
    },
  };
}
