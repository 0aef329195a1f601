import { subjects, type ConsumerDeclaration } from '@keymesh/contracts';
import { createInbox, nanos, type Msg } from '@nats-io/nats-core';
import type { MeshConnection } from '../connection.js';

/** How long an idle pull waits at the server for a message. */
const IDLE_PULL_MS = 5_000;
/** How long the answer to a pull may take beyond that. */
const GRACE_MS = 2_000;

const ACK = '+ACK';
const TERM = '+TERM';
const WORKING = '+WPI';

/** A message as pulled: where it stands, and what to tell the server about it. */
export interface Pulled {
  readonly msg: Msg;
  readonly streamSequence: number;
  readonly deliveryCount: number;
  readonly storedAt: number;
  readonly pending: number;
  ack(): void;
  nak(delayMs: number): void;
  term(): void;
  /** Asks for another ack wait. */
  working(): void;
}

export interface PullResult {
  readonly messages: readonly Pulled[];
  /** False when the connection broke or nothing answered: the server may have delivered messages that did not arrive. */
  readonly complete: boolean;
}

/** Pulls up to `batch` messages: whatever is there, or else the first that comes within a few seconds. */
export async function pull(
  connection: MeshConnection,
  consumer: ConsumerDeclaration,
  batch: number,
  signal: AbortSignal,
): Promise<PullResult> {
  const ready = await request(connection, consumer, { batch, no_wait: true }, GRACE_MS, signal);
  if (ready.messages.length > 0 || !ready.complete) return ready;
  const waiting = { batch: 1, expires: nanos(IDLE_PULL_MS) };
  return request(connection, consumer, waiting, IDLE_PULL_MS + GRACE_MS, signal);
}

interface PullRequest {
  readonly batch: number;
  readonly no_wait?: boolean;
  readonly expires?: number;
}

function request(
  connection: MeshConnection,
  { stream, durable }: ConsumerDeclaration,
  body: PullRequest,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<PullResult> {
  // A signal that is aborted already tells no listener: the stop would wait for the whole pull.
  if (signal.aborted) return Promise.resolve({ messages: [], complete: false });
  const { nats } = connection;
  const inbox = createInbox(subjects.inboxPrefix(connection.principal));
  const messages: Pulled[] = [];
  return new Promise((resolve) => {
    const end = (complete: boolean): void => {
      clearTimeout(timer);
      offReconnect();
      signal.removeEventListener('abort', abort);
      subscription.unsubscribe();
      resolve({ messages, complete });
    };
    const abort = (): void => end(false);
    const timer = setTimeout(abort, timeoutMs);
    const offReconnect = connection.onReconnect(abort);
    signal.addEventListener('abort', abort, { once: true });
    const subscription = nats.subscribe(inbox, {
      callback: (error, msg) => {
        const pulled = error === null ? readPulled(msg) : undefined;
        if (pulled !== undefined) messages.push(pulled);
        if (messages.length >= body.batch) end(true);
        // A status message (404 none, 408 waited in vain, 409 …) ends the pull. Only the first two say that all is well.
        else if (pulled === undefined) end(error === null && [404, 408].includes(msg.headers?.code ?? 0));
      },
    });
    nats.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`, JSON.stringify(body), { reply: inbox });
  });
}

/** SOURCE: NATS ADR-15: `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>[.<token>]`. */
function readPulled(msg: Msg): Pulled | undefined {
  const tokens = (msg.reply ?? '').split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined;
  const [deliveryCount, streamSequence, , storedNs, pending] = tokens
    .slice(tokens.length === 9 ? 4 : 6)
    .map(Number);
  if (deliveryCount === undefined || streamSequence === undefined) return undefined;
  return {
    msg,
    streamSequence,
    deliveryCount,
    storedAt: Math.floor((storedNs ?? 0) / 1e6),
    pending: pending ?? 0,
    ack: () => void msg.respond(ACK),
    nak: (delayMs) => void msg.respond(delayMs > 0 ? `-NAK {"delay":${nanos(delayMs)}}` : '-NAK'),
    term: () => void msg.respond(TERM),
    working: () => void msg.respond(WORKING),
  };
}
