import { failure, HEADERS } from '@keymesh/contracts';
import type { SigningKey } from '@keymesh/kernel';
import { headers, type MsgHdrs } from '@nats-io/nats-core';
import type { MeshConnection } from '../connection.js';
import { MESSAGE_ID } from '../nats-headers.js';
import { pause } from '../pause.js';
import { translateRequestError } from '../nats-failures.js';
import { signEvents } from './event-signature.js';
import { storeMessage } from './store-message.js';

const ATTEMPTS = 3;
const ATTEMPT_TIMEOUT_MS = 2_000;
const RETRY_DELAY_MS = 100;

export interface PublishEventOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Signs subject, id and bytes (`Keymesh-Signature`; event-signature.ts). */
  readonly signingKey?: SigningKey;
}

/**
 * Publishes to a stream and resolves when it is stored. Safe to repeat with the same id: the stream drops repeats for two minutes, and
 * consumers are idempotent.
 * @throws UNAVAILABLE when it is not known to be stored.
 */
export async function publishEvent(
  connection: MeshConnection,
  subject: string,
  id: string,
  bytes: Uint8Array,
  options: PublishEventOptions = {},
): Promise<void> {
  const head = eventHeaders(subject, id, bytes, options);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const outcome = await storeMessage(connection, subject, bytes, head, ATTEMPT_TIMEOUT_MS);
    if (outcome.kind === 'stored') return;
    if (outcome.kind === 'refused') break;
    await pause(RETRY_DELAY_MS * attempt);
  }
  throw failure('UNAVAILABLE', { publicMessage: 'The event could not be stored. Check the NATS server.' });
}

function eventHeaders(subject: string, id: string, bytes: Uint8Array, options: PublishEventOptions): MsgHdrs {
  const head = headers();
  for (const [name, value] of Object.entries(options.headers ?? {})) head.set(name, value);
  head.set(MESSAGE_ID, id);
  head.set(HEADERS.eventId, id);
  if (options.signingKey !== undefined) {
    const [signature = ''] = signEvents([{ subject, id, bytes }], options.signingKey);
    head.set(HEADERS.signature, signature);
  }
  return head;
}

/**
 * Tells a principal something (`keymesh.v1.push.…`): core NATS, at most once. Resolves when the server has it.
 * @throws UNAVAILABLE when there is no server.
 */
export async function publishPush(
  { nats }: MeshConnection,
  subject: string,
  bytes: Uint8Array,
): Promise<void> {
  try {
    nats.publish(subject, bytes);
    await nats.flush();
  } catch (error) {
    throw translateRequestError(error);
  }
}
