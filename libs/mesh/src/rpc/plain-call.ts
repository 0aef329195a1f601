import {
  DEFAULT_DEADLINE_MS,
  decodeFrame,
  encodeFrame,
  failure,
  HEADERS,
  isErrorCode,
  MAX_DEADLINE_MS,
  MAX_MESSAGE_BYTES,
  parseMessage,
  partsHeader,
  rpcSubject,
  type ErrorCode,
  type Frame,
  type ReplyOf,
  type RequestInput,
  type RpcContract,
} from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import { headers, type Msg, type MsgHdrs } from '@nats-io/nats-core';
import { randomUUID } from 'node:crypto';
import type { MeshConnection } from '../connection.js';
import { ask } from './ask.js';
import { endSpan, startClientSpan } from './tracing.js';

export interface CallOptions {
  /** How long to wait, whole milliseconds, 1 to 30,000. Default 5,000. */
  readonly deadlineMs?: number;
  /** Stops waiting; the work may go on at the service. */
  readonly signal?: AbortSignal;
}

/**
 * Asks one operation of `channel: 'none'`: public or self-signed data, e.g. enrolment before any mesh key is known. Nothing of the
 * answer is authenticated but by what it holds itself.
 * @throws the service's code (with our own sentence), UNAVAILABLE, DEADLINE_EXCEEDED, MALFORMED_MESSAGE, BAD_REQUEST.
 */
export async function callPlain<C extends RpcContract>(
  connection: MeshConnection,
  principal: string,
  contract: C,
  request: RequestInput<C>,
  options: CallOptions = {},
): Promise<ReplyOf<C>> {
  if (contract.channel !== 'none') throw failure('CHANNEL_REQUIRED');
  return traced(contract, async (head) => {
    const deadlineMs = readDeadline(options);
    const frame = encodeRequest(contract, request);
    if (!(await connection.waitConnected(deadlineMs))) throw failure('UNAVAILABLE');
    head.set(HEADERS.parts, partsHeader(frame));
    head.set(HEADERS.requestId, randomUUID());
    head.set(HEADERS.deadlineMs, String(deadlineMs));
    const subject = rpcSubject(contract, principal);
    const reply = await ask(connection, subject, frame.body, head, deadlineMs, options.signal);
    const code = plainErrorCode(reply);
    if (code !== undefined) throw failure(code);
    return readReply(contract, decodeFrame(reply.headers?.get(HEADERS.parts), reply.data));
  });
}

/** Runs a call in its client span. The headers carry the trace context already. */
export async function traced<T>(contract: RpcContract, work: (head: MsgHdrs) => Promise<T>): Promise<T> {
  const head = headers();
  const active = startClientSpan(contract.name, contract.service, head);
  let outcome = 'INTERNAL';
  try {
    const result = await work(head);
    outcome = 'success';
    return result;
  } catch (error) {
    if (KeymeshError.is(error)) outcome = error.code;
    throw error;
  } finally {
    endSpan(active, outcome);
  }
}

/** @throws BAD_REQUEST when it is out of bounds. */
export function readDeadline({ deadlineMs = DEFAULT_DEADLINE_MS }: CallOptions): number {
  if (Number.isInteger(deadlineMs) && deadlineMs >= 1 && deadlineMs <= MAX_DEADLINE_MS) return deadlineMs;
  throw failure('BAD_REQUEST', {
    publicMessage: `A deadline is whole milliseconds, 1 to ${MAX_DEADLINE_MS}.`,
  });
}

/** Checks and writes a request. @throws BAD_REQUEST, PAYLOAD_TOO_LARGE */
export function encodeRequest<C extends RpcContract>(contract: C, request: RequestInput<C>): Frame {
  parseMessage(contract.request, request);
  const frame = encodeFrame(request);
  if (frame.body.length <= MAX_MESSAGE_BYTES) return frame;
  frame.body.fill(0);
  throw failure('PAYLOAD_TOO_LARGE');
}

/** Checks what the service answered. @throws INTERNAL when this side does not know the shape. */
export function readReply<C extends RpcContract>(contract: C, message: unknown): ReplyOf<C> {
  const result = contract.reply.safeParse(message);
  if (result.success) return result.data as ReplyOf<C>;
  throw failure('INTERNAL', {
    publicMessage:
      'The service answered in a form that this program does not know. Use the same release for both.',
    details: { operation: contract.name, paths: result.error.issues.map(({ path }) => path.join('.')) },
  });
}

/** The code of an answer that came without the channel, if it is a failure. Its sentence is not believed. */
export function plainErrorCode({ headers: head, data }: Msg): ErrorCode | undefined {
  if (head === undefined || head.get(HEADERS.serviceErrorCode) === '') return undefined;
  try {
    const message = decodeFrame(head.get(HEADERS.parts), data) as { error?: { code?: unknown } };
    const code = message.error?.code;
    return typeof code === 'string' && isErrorCode(code) ? code : 'INTERNAL';
  } catch {
    return 'INTERNAL';
  }
}
