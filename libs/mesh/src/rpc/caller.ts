import { randomUUID } from 'node:crypto';
import type { ClientSession } from '@keymesh/channel';
import {
  decodeFrame,
  failure,
  HEADERS,
  isErrorCode,
  partsHeader,
  rpcSubject,
  type Frame,
  type PublicError,
  type ReplyOf,
  type RequestInput,
  type RpcContract,
} from '@keymesh/contracts';
import { KeymeshError, type Clock } from '@keymesh/kernel';
import type { Msg, MsgHdrs } from '@nats-io/nats-core';
import { ask } from './ask.js';
import {
  callPlain,
  encodeRequest,
  plainErrorCode,
  readDeadline,
  readReply,
  traced,
  type CallOptions,
} from './plain-call.js';
import { makeSessions, type Sessions, type SessionsOptions } from './sessions.js';

export type CallerOptions = SessionsOptions;

export interface Caller {
  /**
   * Asks one operation, through the channel unless the operation has none. Ownership: the Secrets of the request stay the caller's;
   * those of the reply become the caller's, to dispose.
   * @throws the service's code; UNAVAILABLE when nobody answers, DEADLINE_EXCEEDED when not in time (the work may be done all the
   * same), CHANNEL_REJECTED when the answer is not authentic, BAD_REQUEST and PAYLOAD_TOO_LARGE before anything is sent.
   */
  call<C extends RpcContract>(
    contract: C,
    request: RequestInput<C>,
    options?: CallOptions,
  ): Promise<ReplyOf<C>>;
  /** Forgets the sessions. The connection stays the caller's. */
  close(): void;
}

/** Codes that say: open a new session. A request so answered was not executed. */
const RENEW = new Set(['CHANNEL_EXPIRED', 'CHANNEL_REQUIRED']);
/** Codes that may come unauthenticated, because without a channel there is no other way. */
const PLAIN_CODES = new Set(['CHANNEL_EXPIRED', 'CHANNEL_REQUIRED', 'CHANNEL_REJECTED', 'UNAVAILABLE']);

/** The asker's end of RPC. INVARIANT: it never falls back to plain, whatever it is answered. */
export function makeCaller(options: CallerOptions): Caller {
  const sessions = makeSessions(options);
  return {
    call(contract, request, callOptions = {}) {
      const { connection, principal } = options;
      if (contract.channel === 'none')
        return callPlain(connection, principal, contract, request, callOptions);
      return traced(contract, async (head) => {
        const deadlineMs = readDeadline(callOptions);
        const frame = encodeRequest(contract, request);
        try {
          const message = await callEncrypted(options, sessions, contract, frame, head, {
            ...callOptions,
            deadlineMs,
          });
          return readReply(contract, message);
        } finally {
          frame.body.fill(0);
        }
      });
    },
    close: () => sessions.clear(),
  };
}

async function callEncrypted(
  options: CallerOptions,
  sessions: Sessions,
  contract: RpcContract,
  frame: Frame,
  head: MsgHdrs,
  { deadlineMs, signal }: CallOptions & { deadlineMs: number },
): Promise<unknown> {
  const { clock, connection } = options;
  const deadlineAt = clock.monotonic() + deadlineMs;
  const remainingMs = (): number => remaining(clock, deadlineAt);
  // The same for both attempts: a mutation that did happen the first time does not happen again.
  const requestId = randomUUID();
  const attempt = async (): Promise<{ session: ClientSession; result: unknown }> => {
    if (!connection.isConnected() && !(await connection.waitConnected(remainingMs())))
      throw failure('UNAVAILABLE');
    const session =
      sessions.current(contract.service) ?? (await inTime(sessions.get(contract.service), remainingMs()));
    try {
      return {
        session,
        result: await exchange(options, session, contract, frame, head, requestId, remainingMs(), signal),
      };
    } catch (error) {
      if (KeymeshError.is(error) && RENEW.has(error.code)) sessions.drop(contract.service, session);
      throw error;
    }
  };
  try {
    return (await attempt()).result;
  } catch (error) {
    if (!KeymeshError.is(error) || !RENEW.has(error.code)) throw error;
    return (await attempt()).result;
  }
}

function remaining(clock: Clock, deadlineAt: number): number {
  const ms = Math.floor(deadlineAt - clock.monotonic());
  if (ms < 1) throw failure('DEADLINE_EXCEEDED');
  return ms;
}

async function inTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(failure('DEADLINE_EXCEEDED')), timeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function exchange(
  { connection, principal }: CallerOptions,
  session: ClientSession,
  contract: RpcContract,
  frame: Frame,
  head: MsgHdrs,
  requestId: string,
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const subject = rpcSubject(contract, principal);
  const parts = partsHeader(frame);
  const sealed = session.encryptRequest({
    subject,
    requestId,
    deadlineMs,
    partsHeader: parts,
    body: frame.body,
  });
  head.set(HEADERS.parts, parts);
  head.set(HEADERS.requestId, requestId);
  head.set(HEADERS.deadlineMs, String(deadlineMs));
  head.set(HEADERS.channel, session.setupHeader);
  head.set(HEADERS.channelSequence, String(sealed.sequence));
  const reply = await ask(connection, subject, sealed.body, head, deadlineMs, signal);
  return openReply(session, subject, requestId, reply);
}

function openReply(session: ClientSession, subject: string, requestId: string, reply: Msg): unknown {
  const replyHeader = reply.headers?.get(HEADERS.channelReply) ?? '';
  if (replyHeader === '') throw unauthenticated(reply);
  const parts = reply.headers?.get(HEADERS.parts) ?? '';
  const body = session.decryptReply({
    subject,
    requestId,
    replyHeader,
    partsHeader: parts,
    body: reply.data,
  });
  try {
    const message = decodeFrame(parts, body);
    if (isFailure(message)) throw rebuild(message.error);
    return message;
  } finally {
    body.fill(0);
  }
}

function unauthenticated(reply: Msg): KeymeshError {
  const code = plainErrorCode(reply);
  if (code !== undefined && PLAIN_CODES.has(code)) return failure(code);
  return failure('CHANNEL_REJECTED', {
    publicMessage:
      'The answer did not come through the channel, so it is not believed. Check the NATS server.',
    details: { unauthenticatedCode: code },
  });
}

const isFailure = (message: unknown): message is { error: PublicError } =>
  typeof message === 'object' && message !== null && 'error' in message && Object.keys(message).length === 1;

/** The failure that the service threw, as this side throws it. */
function rebuild({ code, message, retryable, findings, approvals, traceId }: PublicError): KeymeshError {
  return new KeymeshError(isErrorCode(code) ? code : 'INTERNAL', {
    publicMessage: message,
    retryable,
    details: { ...(findings && { findings }), ...(approvals && { approvals }), ...(traceId && { traceId }) },
  });
}
