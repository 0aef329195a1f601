import { failure } from '@keymesh/contracts';
import type { MeshConnection } from '@keymesh/mesh';

const TIMEOUT_MS = 5_000;
/** SOURCE: nats-server `server/errors.json`, JSNoMessageFoundErr. */
const NO_MESSAGE = 10_037;

interface ApiReply {
  readonly error?: { readonly err_code?: number };
}

/** Where a stream begins and ends. */
export interface StreamEnds {
  /** When the stream was made; another one means another stream. */
  readonly created: string;
  /** Of the oldest message that it holds. */
  readonly firstSequence: number;
  /** Of the newest message that it ever held; 0 for none. */
  readonly lastSequence: number;
}

/** A message as the stream holds it. */
export interface StoredMessage {
  readonly sequence: number;
  readonly data: Uint8Array;
  readonly header: (name: string) => string | undefined;
}

/** @throws UNAVAILABLE when the server does not answer or there is no such stream. */
export async function readStreamEnds(connection: MeshConnection, stream: string): Promise<StreamEnds> {
  const reply = await ask<{ created: string; state: { first_seq: number; last_seq: number } }>(
    connection,
    `$JS.API.STREAM.INFO.${stream}`,
    {},
  );
  return { created: reply.created, firstSequence: reply.state.first_seq, lastSequence: reply.state.last_seq };
}

/** One message of a stream, by its sequence or the last of a subject. @returns undefined when there is none. @throws UNAVAILABLE */
export async function readStoredMessage(
  connection: MeshConnection,
  stream: string,
  which: { readonly seq: number } | { readonly last_by_subj: string },
): Promise<StoredMessage | undefined> {
  const subject = `$JS.API.STREAM.MSG.GET.${stream}`;
  const reply = await ask<{ message?: { seq: number; hdrs?: string; data?: string } }>(
    connection,
    subject,
    which,
  );
  if (reply.message === undefined) return undefined;
  const { seq, hdrs = '', data = '' } = reply.message;
  const headers = parseHeaders(Buffer.from(hdrs, 'base64').toString('utf8'));
  return { sequence: seq, data: Buffer.from(data, 'base64'), header: (name) => headers.get(name) };
}

/** Sets a durable consumer to deliver from this stream sequence on. @throws UNAVAILABLE */
export async function resetConsumer(
  connection: MeshConnection,
  { stream, durable }: { readonly stream: string; readonly durable: string },
  sequence: number,
): Promise<void> {
  await ask(connection, `$JS.API.CONSUMER.RESET.${stream}.${durable}`, { seq: sequence });
}

async function ask<Reply extends object>(
  { nats }: MeshConnection,
  subject: string,
  request: object,
): Promise<Reply & ApiReply> {
  let reply: Reply & ApiReply;
  try {
    reply = (await nats.request(subject, JSON.stringify(request), { timeout: TIMEOUT_MS })).json();
  } catch (cause) {
    throw failure('UNAVAILABLE', { details: { subject }, cause });
  }
  const errorCode = reply.error?.err_code;
  if (errorCode !== undefined && errorCode !== NO_MESSAGE)
    throw failure('UNAVAILABLE', { details: { subject, errorCode } });
  return reply;
}

// SOURCE: NATS ADR-4: a version line, then `Name: value` lines.
function parseHeaders(block: string): Map<string, string> {
  const lines = block.split('\r\n').slice(1);
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
    }),
  );
}
