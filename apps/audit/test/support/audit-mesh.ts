import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { signChannelKey } from '@keymesh/channel';
import {
  certifyChannelKey,
  CONSUMERS,
  subjects,
  type AuditRecord,
  type ServiceName,
} from '@keymesh/contracts';
import { HOUR, makeSigningKey, systemClock, toBase64Url } from '@keymesh/kernel';
import {
  consume,
  makeCaller,
  makeJournal,
  type Caller,
  type Delivery,
  type Journal,
  type MeshConnection,
} from '@keymesh/mesh';
import { makeDataSource, migrateSchema } from '@keymesh/postgres';
import {
  eventually,
  makeServiceHome,
  serveFake,
  serves,
  startServiceProcess,
  startTestMesh,
  startTestPostgres,
  type ServiceProcess,
  type TestMesh,
  type TestPostgres,
  type TestPrincipal,
} from '@keymesh/testing';
import { noteVerifierOf, type NoteVerifier } from '@keymesh/transparency-log';
import { fsckLedger, type LedgerFsck } from '../../src/operations/fsck-ledger.js';
import { APPEND_ONLY_TABLES, MIGRATIONS } from '../../src/migrations/index.js';

export const ORIGIN = 'keymesh.test/audit';
const MAIN = join(import.meta.dirname, '../../dist/main.js');

type DataSource = ReturnType<typeof makeDataSource>;

/** A mesh with everything that the audit service needs: servers, streams, policy bundle, a vault that certifies channel keys. */
export interface AuditMesh {
  readonly mesh: TestMesh;
  readonly postgres: TestPostgres;
  readonly verifier: NoteVerifier;
  readonly auditor: TestPrincipal;
  readonly stranger: TestPrincipal;
  /** Starts the built service as a process. */
  start(more?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** A journal of a service, each with a chain of its own. */
  journalOf(service: ServiceName): Promise<Journal & { readonly connection: MeshConnection }>;
  callerOf(principal: TestPrincipal): Promise<Caller>;
  /** As the audit service's role. */
  sql<Row>(text: string, parameters?: unknown[]): Promise<Row[]>;
  /** As a superuser, in another database, with no connection of the spec to the mesh's: for copying and swapping it. */
  adminSql(text: string): Promise<void>;
  /** As a SIEM: everything that the stream AUDIT holds, in its order, until `count` have come. */
  readFeed(count: number): Promise<Delivery[]>;
  fsck(): Promise<LedgerFsck>;
  /** Event ids of the ledger in index order. */
  eventIds(): Promise<string[]>;
  /** Publishes bytes on a service's journal subject, as a broken or hostile producer would. */
  publishRaw(service: ServiceName, bytes: Uint8Array): Promise<void>;
  stop(): Promise<void>;
}

export async function startAuditMesh(): Promise<AuditMesh> {
  const [mesh, postgres] = await Promise.all([startTestMesh(), startTestPostgres()]);
  await migrateSchema({
    url: postgres.deployUrl,
    password: postgres.password,
    schema: 'audit',
    role: 'keymesh_audit',
    migrations: MIGRATIONS,
    appendOnlyTables: APPEND_ONLY_TABLES,
  });
  const home = await makeServiceHome(mesh, postgres);
  const auditor = mesh.addPrincipal('auditor', ['auditor'], 'operator');
  const stranger = mesh.addPrincipal('stranger', ['reader']);
  await home.publishBundle([auditor, stranger]);
  const vault = await serveFake(mesh, 'vault', [certifier(mesh)]);
  const { key, seed } = makeSigningKey();
  const seedFile = join(home.folder, 'checkpoint.seed');
  // EXPOSE: a spec's own seed, into its file.
  await writeFile(seedFile, toBase64Url(seed.expose()), { mode: 0o600 });
  const verifier = noteVerifierOf(ORIGIN, key.publicKeyText);
  const siem = mesh.addPrincipal('siem', ['siem']);
  const database = makeDatabase(postgres);
  const rowsOf = async <Row>(text: string, parameters: unknown[] = []) =>
    (await database.get()).query<Row[]>(text, parameters);
  const toStop: (() => Promise<void> | void)[] = [];
  return {
    mesh,
    postgres,
    verifier,
    auditor,
    stranger,
    start: (more = {}) =>
      startServiceProcess(
        MAIN,
        home.environmentOf('audit', {
          KEYMESH_CHECKPOINT_SEED_FILE: seedFile,
          KEYMESH_LOG_ORIGIN: ORIGIN,
          ...more,
        }),
      ),
    journalOf: async (service) => {
      const journal = await journalOf(mesh, service);
      toStop.push(() => journal.close());
      return journal;
    },
    callerOf: async (principal) => {
      const caller = makeCaller({
        connection: await mesh.connectAs(principal),
        principal: principal.name,
        signingKey: principal.signingKey,
        meshPublicKey: mesh.meshKey.publicKeyText,
        clock: systemClock,
      });
      toStop.push(() => caller.close());
      return caller;
    },
    sql: rowsOf,
    adminSql: async (text) => {
      await database.close();
      const admin = await open(postgres.adminUrl, postgres);
      await admin.query(text);
      await admin.destroy();
    },
    readFeed: async (count) => {
      const deliveries: Delivery[] = [];
      const reading = consume(await mesh.connectAs(siem), CONSUMERS.siem, (delivery) => {
        deliveries.push(delivery);
        return Promise.resolve();
      });
      toStop.push(() => reading.stop());
      return eventually(
        () => {
          if (deliveries.length < count) throw new Error(`${deliveries.length} of ${count} events`);
          return deliveries;
        },
        { timeoutMs: 20_000 },
      );
    },
    fsck: async () => fsckLedger(await database.get(), verifier),
    eventIds: async () =>
      (await rowsOf<{ event_id: string }>('SELECT event_id FROM entry ORDER BY log_index')).map(
        (row) => row.event_id,
      ),
    publishRaw: async (service, bytes) => {
      const { nats } = await mesh.connectAs(service);
      await nats.request(subjects.journal(service), bytes);
    },
    stop: async () => {
      for (const stop of toStop) await stop();
      await database.close();
      await vault.stop();
      await home.stop();
      await mesh.stop();
      await postgres.stop();
    },
  };
}

async function open(url: string, { password }: TestPostgres): Promise<DataSource> {
  const dataSource = makeDataSource({
    url,
    password,
    schema: 'audit',
    applicationName: 'spec',
    poolSize: 2,
    statementTimeoutMs: 0,
  });
  await dataSource.initialize();
  return dataSource;
}

/** The spec's own view of the database: opened when needed, so that it can be let go of. */
function makeDatabase(postgres: TestPostgres) {
  let opened: Promise<DataSource> | undefined;
  return {
    get: () => (opened ??= open(postgres.urlOf('audit'), postgres)),
    close: async (): Promise<void> => {
      await (await opened)?.destroy();
      opened = undefined;
    },
  };
}

const certifier = (mesh: TestMesh) =>
  serves(certifyChannelKey, ({ publicKey }, call) => {
    const now = Date.now();
    const service = call.principal.slice(1) as ServiceName;
    const key = { service, publicKey, notBefore: now, notAfter: now + 24 * HOUR };
    return Promise.resolve({ statement: signChannelKey(key, mesh.meshKey) });
  });

let instances = 0;

async function journalOf(
  mesh: TestMesh,
  service: ServiceName,
): Promise<Journal & { connection: MeshConnection }> {
  instances += 1;
  const connection = await mesh.connectAs(service);
  const { signingKey } = mesh.identities[service];
  const instance = `${service}-${instances}`;
  return { ...makeJournal({ connection, service, instance, signingKey, clock: systemClock }), connection };
}

/** Journals records, many at a time. @returns ids of those that were acknowledged. */
export async function journalAll(journal: Journal, records: readonly AuditRecord[]): Promise<string[]> {
  const outcomes = await Promise.allSettled(
    records.map((record) => journal.record(record, { name: 'n', salt: 's' })),
  );
  return records.filter((_, at) => outcomes[at]?.status === 'fulfilled').map(({ id }) => id);
}
