import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { signChannelKey } from '@keymesh/channel';
import {
  anomalyFinding,
  certifyChannelKey,
  HEADERS,
  lockPrincipal,
  subjects,
  type AnomalyFinding,
  type AuditRecord,
  type RequestOf,
  type ServiceName,
} from '@keymesh/contracts';
import { HOUR, systemClock, type SigningKey } from '@keymesh/kernel';
import { isEventSignedBy, makeCaller, signEvents, type Caller } from '@keymesh/mesh';
import { migrateSchema } from '@keymesh/postgres';
import {
  makeServiceHome,
  serveFake,
  serves,
  startServiceProcess,
  startTestMesh,
  startTestPostgres,
  type ServiceHome,
  type ServiceProcess,
  type TestMesh,
  type TestPostgres,
  type TestPrincipal,
} from '@keymesh/testing';
import { headers } from '@nats-io/nats-core';
import pg from 'pg';
import { MIGRATIONS } from '../../src/migrations/index.js';

const MAIN = join(import.meta.dirname, '../../dist/main.js');

/** An event of the feed that a spec plants. */
export interface Planted {
  /** Absent: a service says it in nobody's name. */
  readonly principal?: string;
  readonly atMs: number;
  readonly outcome?: AuditRecord['outcome'];
  readonly code?: string;
  readonly credentialId?: string;
  readonly type?: string;
}

type LockRequest = RequestOf<typeof lockPrincipal>;

/** A mesh with everything that the detector needs but the real vault, policy and audit services. */
export interface DetectorMesh {
  readonly mesh: TestMesh;
  readonly postgres: TestPostgres;
  readonly home: ServiceHome;
  readonly auditor: TestPrincipal;
  readonly reader: TestPrincipal;
  readonly operator: TestPrincipal;
  /** Locks that the policy service was asked for. */
  readonly locks: LockRequest[];
  /** What the policy service does when asked; default: locks. */
  onLock(answer: () => Promise<void>): void;
  /** Alerts as a SIEM hears them, with whether the detector has signed them. */
  readonly alerts: { finding: AnomalyFinding; subject: string; messageId: string; signed: boolean }[];
  /** How many alerts the stream ALERTS holds. */
  keptAlerts(): Promise<number>;
  /** Publishes records as the audit service does: signed, in the order of the log. @returns them, to replay. */
  publish(planted: readonly Planted[]): Promise<AuditRecord[]>;
  /** Publishes the same records again, as new messages. */
  replay(records: readonly AuditRecord[], signedBy?: SigningKey): Promise<void>;
  start(more?: Record<string, string>): Promise<ServiceProcess>;
  callerOf(principal: TestPrincipal): Promise<Caller>;
  sql<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  stop(): Promise<void>;
}

export async function startDetectorMesh(): Promise<DetectorMesh> {
  const [mesh, postgres] = await Promise.all([startTestMesh(), startTestPostgres()]);
  const { deployUrl: url, password } = postgres;
  const schema = 'anomaly_detector';
  await migrateSchema({ url, password, schema, role: postgres.roleOf(schema), migrations: MIGRATIONS });
  const home = await makeServiceHome(mesh, postgres);
  const auditor = mesh.addPrincipal('auditor', ['auditor']);
  const reader = mesh.addPrincipal('reader', ['reader']);
  const suspects = ['suspect', 'billing', 'busy', 'quiet'].map((name) => mesh.addPrincipal(name));
  const { operator } = mesh;
  await home.publishBundle([auditor, reader, operator, ...suspects]);
  const siem = mesh.addPrincipal('siem', ['siem']);
  const locks: LockRequest[] = [];
  let onLock = (): Promise<void> => Promise.resolve();
  const fakes = [
    await serveFake(mesh, 'vault', [certifies(mesh)]),
    await serveFake(mesh, 'policy', [
      serves(lockPrincipal, async (request) => {
        locks.push(request);
        await onLock();
        const lockedUntil = new Date(Date.now() + request.lockSeconds * 1000).toISOString();
        return { principal: request.principal, lockedUntil, bundleVersion: 2 };
      }),
    ]),
  ];
  const alerts = await listenToAlerts(mesh, siem);
  const admin = new pg.Client({
    host: '127.0.0.1',
    port: postgres.port,
    database: 'keymesh',
    user: new URL(postgres.adminUrl).username,
    password: Buffer.from(postgres.password.expose()).toString(), // EXPOSE: the superuser of a spec's own server
  });
  await admin.connect();
  await admin.query('SET search_path = anomaly_detector');
  return {
    mesh,
    postgres,
    home,
    auditor,
    reader,
    operator,
    locks,
    onLock: (answer) => void (onLock = answer),
    alerts,
    keptAlerts: () => countAlerts(mesh),
    ...(await makeFeed(mesh)),
    start: (more = {}) => startServiceProcess(MAIN, home.environmentOf('anomaly-detector', more)),
    callerOf: async (principal) =>
      makeCaller({
        connection: await mesh.connectAs(principal),
        principal: principal.name,
        signingKey: principal.signingKey,
        meshPublicKey: mesh.trustRoot.meshPublicKey,
        clock: systemClock,
      }),
    sql: async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
      (await admin.query<Row>(text, values)).rows,
    stop: async () => {
      await Promise.all(fakes.map((fake) => fake.stop()));
      await admin.end();
      await mesh.stop();
      await home.stop();
      await postgres.stop();
    },
  };
}

const certifies = (mesh: TestMesh) =>
  serves(certifyChannelKey, ({ publicKey }, call) => {
    const service = call.principal.slice(1) as ServiceName;
    const notBefore = Date.now();
    const key = { service, publicKey, notBefore, notAfter: notBefore + 24 * HOUR };
    return Promise.resolve({ statement: signChannelKey(key, mesh.meshKey) });
  });

async function listenToAlerts(mesh: TestMesh, siem: TestPrincipal): Promise<DetectorMesh['alerts']> {
  const alerts: DetectorMesh['alerts'] = [];
  const { nats } = await mesh.connectAs(siem);
  const key = mesh.identities['anomaly-detector'].signingKey.publicKeyText;
  nats.subscribe(subjects.alertAll, {
    callback: (error, msg) => {
      if (error !== null) return;
      const id = msg.headers?.get(HEADERS.eventId) ?? '';
      const signature = msg.headers?.get(HEADERS.signature) ?? '';
      alerts.push({
        finding: anomalyFinding.parse(msg.json()),
        subject: msg.subject,
        messageId: msg.headers?.get('Nats-Msg-Id') ?? '',
        signed: isEventSignedBy([key], { subject: msg.subject, id, bytes: msg.data, signature }),
      });
    },
  });
  await nats.flush();
  return alerts;
}

async function countAlerts(mesh: TestMesh): Promise<number> {
  const { nats } = await mesh.connectAs('deploy');
  const reply = await nats.request('$JS.API.STREAM.INFO.ALERTS', '', { timeout: 5_000 });
  await nats.close();
  return reply.json<{ state: { messages: number } }>().state.messages;
}

const BATCH = 200;

async function makeFeed(mesh: TestMesh): Promise<Pick<DetectorMesh, 'publish' | 'replay'>> {
  const { nats } = await mesh.connectAs('audit');
  let sequence = 0;
  const publishRecords = async (
    records: readonly { record: AuditRecord; sequence: number }[],
    key: SigningKey,
  ): Promise<void> => {
    for (let at = 0; at < records.length; at += BATCH) {
      const events = records.slice(at, at + BATCH).map(({ record, sequence: index }) => ({
        subject: `keymesh.v1.audit.${record.service}.${record.type}`,
        id: randomUUID(), // a message of its own each time, so that the stream takes replays
        bytes: Buffer.from(JSON.stringify(eventOf(record, index))),
      }));
      const signatures = signEvents(events, key);
      await Promise.all(
        events.map(({ subject, id, bytes }, index) => {
          const head = headers();
          head.set('Nats-Msg-Id', id);
          head.set(HEADERS.eventId, id);
          head.set(HEADERS.signature, signatures[index] ?? '');
          return nats.request(subject, bytes, { headers: head, timeout: 10_000 });
        }),
      );
    }
  };
  const audit = mesh.identities.audit.signingKey;
  const indexes = new Map<string, number>();
  return {
    publish: async (planted) => {
      const records = planted.map((plant) => {
        const record = recordOf(plant);
        indexes.set(record.id, sequence++);
        return record;
      });
      await publishRecords(
        records.map((record) => ({ record, sequence: indexes.get(record.id) ?? 0 })),
        audit,
      );
      return records;
    },
    replay: (records, signedBy = audit) =>
      publishRecords(
        records.map((record) => ({ record, sequence: indexes.get(record.id) ?? sequence++ })),
        signedBy,
      ),
  };
}

/** A record as the vault writes it. */
export const recordOf = (planted: Planted): AuditRecord => ({
  v: 1,
  id: randomUUID(),
  time: new Date(planted.atMs).toISOString(),
  type: planted.type ?? 'credential.retrieved',
  service: 'vault',
  instance: 'spec',
  outcome: planted.outcome ?? 'success',
  ...(planted.code === undefined ? {} : { code: planted.code }),
  ...(planted.principal === undefined ? {} : { principal: planted.principal }),
  session: '00'.repeat(16),
  resource: {
    kind: 'credential',
    id: planted.credentialId ?? '01890000-0000-7000-8000-000000000001',
    version: 1,
  },
});

const eventOf = (record: AuditRecord, sequence: number) => ({
  class_uid: 6003,
  time: Date.parse(record.time),
  metadata: { uid: record.id, sequence, event_code: record.type },
  raw_data: JSON.stringify(record),
});
