import { createHash } from 'node:crypto';
import type { Profile } from '@keymesh/client';
import {
  anomalyFinding,
  CONSUMERS,
  HEADERS,
  readAuditEvent,
  subjects,
  type AnomalyFinding,
} from '@keymesh/contracts';
import { Secret, utf8 } from '@keymesh/kernel';
import { connectMesh, type MeshConnection } from '@keymesh/mesh';
import type { Msg } from '@nats-io/transport-node';

/** One event of the feed, as a SIEM sees it. */
export interface FeedEvent {
  readonly logIndex: number;
  readonly subject: string;
  readonly type: string;
  readonly principal: string | undefined;
}

export interface Siem {
  readonly connection: MeshConnection;
  /** Heard live, in order of arrival. */
  readonly events: readonly FeedEvent[];
  readonly findings: readonly { readonly subject: string; readonly finding: AnomalyFinding }[];
  /** Pulls from the durable consumer and acknowledges; at most `batch`, those that are there now. */
  pull(batch: number): Promise<FeedEvent[]>;
  /** Messages that the durable consumer has not delivered, or not had acknowledged. */
  waiting(): Promise<number>;
  close(): Promise<void>;
}

const { stream, durable } = CONSUMERS.siem;

/** Connects a principal of role `siem`, listening to both feeds from now on. */
export async function connectSiem(profile: Profile): Promise<Siem> {
  const connection = await connectMesh({
    servers: profile.natsUrl,
    nkeySeed: Secret.fromText(profile.nkeySeed, 'nkey-seed'),
    principal: profile.principal,
  });
  const { nats } = connection;
  const events: FeedEvent[] = [];
  const findings: { subject: string; finding: AnomalyFinding }[] = [];
  nats.subscribe(subjects.auditAll, {
    callback: (error, msg) => {
      if (error !== null) throw error;
      events.push(readFeed(msg));
    },
  });
  nats.subscribe(subjects.alertAll, {
    callback: (error, msg) => {
      if (error !== null) throw error;
      findings.push({ subject: msg.subject, finding: anomalyFinding.parse(msg.json()) });
    },
  });
  await nats.flush();
  return {
    connection,
    events,
    findings,
    pull: (batch) => pull(connection, batch),
    waiting: async () => {
      const reply = await nats.request(`$JS.API.CONSUMER.INFO.${stream}.${durable}`, '', { timeout: 5_000 });
      const info = reply.json<{ num_pending: number; num_ack_pending: number }>();
      return info.num_pending + info.num_ack_pending;
    },
    close: () => connection.close(),
  };
}

/** Reads one event. @throws when it is none, or its headers do not fit its content. */
function readFeed(msg: Msg): FeedEvent {
  const event = readAuditEvent(msg.data);
  if (event === undefined) throw new Error(`${msg.subject}: no OCSF event`);
  const logIndex = Number(msg.headers?.get(HEADERS.logIndex));
  const { raw_data: leaf } = msg.json<{ raw_data: string }>();
  // SOURCE: RFC 6962 section 2.1: the hash of a leaf is over 0x00 and its bytes.
  const hash = createHash('sha256').update(Uint8Array.of(0)).update(utf8(leaf)).digest('hex');
  if (logIndex !== event.logIndex || msg.headers?.get(HEADERS.leafHash) !== hash)
    throw new Error(`${msg.subject}: the headers are not of this event`);
  const { type, principal, service } = event.record;
  if (msg.subject !== `keymesh.v1.audit.${service}.${type}`)
    throw new Error(`${msg.subject}: not where it belongs`);
  return { logIndex, subject: msg.subject, type, principal };
}

function pull({ nats, principal }: MeshConnection, batch: number): Promise<FeedEvent[]> {
  return new Promise((resolve, reject) => {
    const pulled: FeedEvent[] = [];
    const inbox = `${subjects.inboxPrefix(principal)}.pull-${crypto.randomUUID()}`;
    const done = (): void => {
      subscription.unsubscribe();
      void nats.flush().then(() => resolve(pulled), reject);
    };
    const subscription = nats.subscribe(inbox, {
      callback: (error, msg) => {
        if (error !== null) {
          reject(error);
          return;
        }
        // No data and a status: the end of the batch (no more messages, or time is up).
        if ((msg.headers?.code ?? 0) !== 0) {
          done();
          return;
        }
        pulled.push(readFeed(msg));
        msg.respond('+ACK');
        if (pulled.length === batch) done();
      },
    });
    nats.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`, JSON.stringify({ batch, no_wait: true }), {
      reply: inbox,
    });
  });
}
