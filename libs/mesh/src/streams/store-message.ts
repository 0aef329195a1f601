import type { MsgHdrs } from '@nats-io/nats-core';
import type { MeshConnection } from '../connection.js';
import { isNoResponders } from '../nats-failures.js';

/** What became of a message that was published to a stream. */
export type StoreOutcome =
  | { readonly kind: 'stored'; readonly sequence: number; readonly duplicate: boolean }
  /** The stream said no: it is certainly not stored by this attempt. */
  | { readonly kind: 'refused'; readonly errorCode: number }
  /** No stream listens (yet), or there is no connection: certainly not stored by this attempt. */
  | { readonly kind: 'nobody' }
  /** No answer, or one that says that storing went wrong half-way: it may be stored or not. */
  | { readonly kind: 'unknown'; readonly cause: unknown };

/** Error codes of the server with which a message is certainly not stored. SOURCE: nats-server `server/errors.json`. */
const NOT_STORED = {
  wrongLastSequence: 10_071,
  messageTooLarge: 10_054,
  insufficientResources: 10_023,
  storageExceeded: 10_047,
  accountResourcesExceeded: 10_002,
} as const;
/** "Store failed": a full stream says so with one of these texts; any other text may be a disk that failed half-way. */
const STORE_FAILED = 10_077;
const FULL = new Set([
  'maximum bytes exceeded',
  'maximum messages exceeded',
  'maximum messages per subject exceeded',
]);
const certain = new Set<number>(Object.values(NOT_STORED));

export const WRONG_LAST_SEQUENCE: number = NOT_STORED.wrongLastSequence;

interface PublishAck {
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/**
 * Publishes once and waits for the stream's acknowledgement. Never throws; the caller decides about another attempt, with the same
 * `Nats-Msg-Id` header, so that the stream stores it once.
 */
export async function storeMessage(
  connection: MeshConnection,
  subject: string,
  bytes: Uint8Array,
  headers: MsgHdrs,
  timeoutMs: number,
): Promise<StoreOutcome> {
  // What is published while disconnected would be sent some time later: better not at all.
  if (!connection.isConnected() && !(await connection.waitConnected(timeoutMs))) return { kind: 'nobody' };
  let off = (): void => undefined;
  // The acknowledgement of a server that died never comes: once it is back there is no use in waiting on.
  const reconnected = new Promise<StoreOutcome>((resolve) => {
    off = connection.onReconnect(() => resolve({ kind: 'unknown', cause: undefined }));
  });
  try {
    return await Promise.race([publishOnce(connection, subject, bytes, headers, timeoutMs), reconnected]);
  } finally {
    off();
  }
}

async function publishOnce(
  { nats }: MeshConnection,
  subject: string,
  bytes: Uint8Array,
  headers: MsgHdrs,
  timeoutMs: number,
): Promise<StoreOutcome> {
  try {
    const { data } = await nats.request(subject, bytes, { timeout: timeoutMs, headers });
    return readAck(JSON.parse(new TextDecoder().decode(data)) as PublishAck);
  } catch (error) {
    return isNoResponders(error) ? { kind: 'nobody' } : { kind: 'unknown', cause: error };
  }
}

function readAck({ seq, duplicate, error }: PublishAck): StoreOutcome {
  if (error === undefined && seq !== undefined)
    return { kind: 'stored', sequence: seq, duplicate: duplicate === true };
  const errorCode = error?.err_code ?? 0;
  const isFull = errorCode === STORE_FAILED && FULL.has(error?.description ?? '');
  if (isFull || certain.has(errorCode)) return { kind: 'refused', errorCode };
  return { kind: 'unknown', cause: new Error(`the stream answered error ${errorCode}`) };
}
