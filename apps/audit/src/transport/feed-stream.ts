import { failure, HEADERS } from '@keymesh/contracts';
import type { SigningKey } from '@keymesh/kernel';
import { signEvents, type EventToSign, type MeshConnection } from '@keymesh/mesh';
import { headers, type MsgHdrs } from '@nats-io/nats-core';
import type { FeedMessage, FeedStream } from '../operations/publish-feed.js';
import { readStoredMessage, readStreamEnds } from './jetstream-api.js';

const STREAM = 'AUDIT';
const ACK_TIMEOUT_MS = 10_000;
/** SOURCE: nats-server `server/errors.json`, JSStreamWrongLastSequenceErrF. */
const WRONG_LAST_SEQUENCE = 10_071;

interface PublishAck {
  readonly seq?: number;
  readonly error?: { readonly err_code?: number };
}

/**
 * The stream AUDIT. All messages of a batch are on their way at once; each names the sequence that must be the last one before it, so
 * that they are stored in order and once, or not at all, whatever gets lost or who else publishes. Only the last one asks for an
 * acknowledgement: it can be stored only if all before it were.
 */
export function makeFeedStream(connection: MeshConnection, signingKey: SigningKey): FeedStream {
  return {
    async readEnd() {
      const { lastSequence } = await readStreamEnds(connection, STREAM);
      const last =
        lastSequence === 0 ? undefined : await readStoredMessage(connection, STREAM, { seq: lastSequence });
      const index = Number(last?.header(HEADERS.logIndex) ?? Number.NaN);
      return { streamSequence: lastSequence, logIndex: Number.isSafeInteger(index) ? index : undefined };
    },
    async append(messages, after) {
      const signatures = signEvents(messages.map(signedPart), signingKey);
      const head = (message: FeedMessage, at: number): MsgHdrs =>
        headersOf(message, after + at, signatures[at] ?? '');
      for (const [at, message] of messages.slice(0, -1).entries())
        connection.nats.publish(message.subject, message.body, { headers: head(message, at) });
      const last = messages.at(-1);
      if (last !== undefined) await publishLast(connection, last, head(last, messages.length - 1));
      return { streamSequence: after + messages.length };
    },
  };
}

async function publishLast({ nats }: MeshConnection, message: FeedMessage, head: MsgHdrs): Promise<void> {
  let ack: PublishAck;
  try {
    const reply = await nats.request(message.subject, message.body, {
      headers: head,
      timeout: ACK_TIMEOUT_MS,
    });
    ack = reply.json();
  } catch (cause) {
    throw failure('UNAVAILABLE', { details: { stream: STREAM }, cause });
  }
  if (ack.seq !== undefined && ack.error === undefined) return;
  const errorCode = ack.error?.err_code;
  throw failure(errorCode === WRONG_LAST_SEQUENCE ? 'VERSION_CONFLICT' : 'UNAVAILABLE', {
    details: { stream: STREAM, errorCode },
  });
}

const signedPart = ({ subject, eventId: id, body: bytes }: FeedMessage): EventToSign => ({
  subject,
  id,
  bytes,
});

function headersOf({ messageId, headers: own }: FeedMessage, after: number, signature: string): MsgHdrs {
  const all = headers();
  for (const [name, value] of Object.entries(own)) all.set(name, value);
  all.set('Nats-Msg-Id', messageId);
  all.set('Nats-Expected-Last-Sequence', String(after));
  all.set(HEADERS.signature, signature);
  return all;
}
