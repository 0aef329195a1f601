import { failure } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { Msg, MsgHdrs } from '@nats-io/nats-core';
import type { MeshConnection } from '../connection.js';
import { translateRequestError } from '../nats-failures.js';

/** How long an answer may still come after a reconnect; the request itself, or its answer, probably went down with the server. */
const AFTER_RECONNECT_MS = 1_000;

/**
 * Sends one request and waits for the answer.
 * @throws UNAVAILABLE when nobody listens, there is no connection, or it broke meanwhile (then the work may be done all the same);
 * DEADLINE_EXCEEDED when the answer is late or `signal` aborted; DENIED when the server does not let this principal ask.
 */
export async function ask(
  connection: MeshConnection,
  subject: string,
  body: Uint8Array,
  head: MsgHdrs,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Msg> {
  const waiting = interruptions(connection, signal);
  try {
    const reply = connection.nats.request(subject, body, { timeout: timeoutMs, headers: head });
    return await Promise.race([reply, waiting.interrupted]);
  } catch (error) {
    throw KeymeshError.is(error) ? error : translateRequestError(error);
  } finally {
    waiting.stop();
  }
}

function interruptions(
  connection: MeshConnection,
  signal: AbortSignal | undefined,
): { readonly interrupted: Promise<never>; stop(): void } {
  let stop = (): void => undefined;
  const interrupted = new Promise<never>((_resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const lost = (): void => {
      timer = setTimeout(() => reject(failure('UNAVAILABLE')), AFTER_RECONNECT_MS);
    };
    const abort = (): void => reject(failure('DEADLINE_EXCEEDED', { cause: signal?.reason }));
    const offReconnect = connection.onReconnect(lost);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    stop = () => {
      clearTimeout(timer);
      offReconnect();
      signal?.removeEventListener('abort', abort);
    };
  });
  return { interrupted, stop: () => stop() };
}
