import {
  decodeFrame,
  encodeFrame,
  failure,
  isErrorCode,
  MAX_MESSAGE_BYTES,
  parseMessage,
  parseRpcSubject,
  toPublicError,
  type PublicError,
  type RequestOf,
  type RpcContract,
  type ServiceName,
} from '@keymesh/contracts';
import { SECOND, type Clock } from '@keymesh/kernel';
import type { Msg } from '@nats-io/nats-core';
import { context, isSpanContextValid } from '@opentelemetry/api';
import { askerNetwork } from './asker-network.js';
import type { Call, Handler, Served } from './call.js';
import { disposeSecrets } from './dispose-secrets.js';
import { openExchange, type Exchange, type ExchangeOptions } from './exchange.js';
import { endSpan, startServerSpan, traceparentOf, type ActiveSpan } from './tracing.js';
import { isOwnReply, readRequestHead, respondPlainError, type RequestHead } from './wire.js';

export interface DispatcherOptions extends ExchangeOptions {
  readonly service: ServiceName;
  readonly clock: Clock;
  /** What a request waits for before anything is decided about it: news of who may what that is on its way. Must not reject. */
  readonly settling?: (() => Promise<void> | undefined) | undefined;
  readonly onServed?: (served: Served) => void;
}

/** Answers one message, whatever it is. Never rejects. */
export type ServedOperation = (msg: Msg) => Promise<void>;

export interface Dispatcher {
  /** Binds an operation to its work. */
  <C extends RpcContract>(contract: C, handler: Handler<C>): ServedOperation;
  /** Answers UNKNOWN_OPERATION, inside the channel where there is one. */
  readonly unknown: ServedOperation;
}

/** One operation: its contract and work, or neither for a subject that nobody serves. */
interface Operation {
  readonly contract: RpcContract | undefined;
  readonly handler: Handler<RpcContract>;
}

const unknownOperation: Operation = {
  contract: undefined,
  handler: () => Promise.reject(failure('UNKNOWN_OPERATION')),
};

/**
 * The service's end of RPC: proves who asks, checks deadline and shape, runs the handler in the asker's trace, and answers through the
 * channel. The only place where a reply's secrets leave their wrappers.
 */
export function makeDispatcher(options: DispatcherOptions): Dispatcher {
  const serve =
    (operation: Operation): ServedOperation =>
    (msg) =>
      answer(options, operation, msg);
  const bind = <C extends RpcContract>(contract: C, handler: Handler<C>): ServedOperation =>
    serve({ contract, handler: (request, call) => handler(request as RequestOf<C>, call) });
  return Object.assign(bind, { unknown: serve(unknownOperation) });
}

async function answer(options: DispatcherOptions, operation: Operation, msg: Msg): Promise<void> {
  const { clock, service } = options;
  const startedAt = clock.monotonic();
  const name = operation.contract?.name ?? 'unknown';
  const principal = parseRpcSubject(msg.subject)?.principal;
  // Nowhere that an answer may go: whoever sent this is no asker, and work without an answer is nobody's.
  if (principal === undefined || !isOwnReply(msg.reply, principal)) return;

  const active = startServerSpan(name, service, msg.headers);
  let head: RequestHead | undefined;
  let exchange: Exchange | undefined;
  let outcome: Served['outcome'] = 'success';
  let thrown: unknown;
  try {
    if (msg.data.length > MAX_MESSAGE_BYTES) throw failure('PAYLOAD_TOO_LARGE');
    head = readRequestHead(msg);
    const settling = options.settling?.();
    if (settling !== undefined) await settling;
    exchange = await openExchange(options, msg, principal, head, operation.contract);
    const call = makeCall(
      principal,
      head,
      exchange,
      startedAt,
      traceparentOf(active, msg.headers),
      askerNetwork(msg.headers),
      Math.floor(clock.now() / SECOND),
    );
    await work(operation, exchange, call, head.partsHeader, clock, active);
  } catch (error) {
    thrown = error;
    outcome = fail(msg, exchange, toPublicError(error), active);
  } finally {
    exchange?.body.fill(0);
    endSpan(active, outcome);
  }
  options.onServed?.({
    operation: name,
    principal,
    requestId: head?.requestId,
    channel: exchange?.channel ?? 'plain',
    outcome,
    durationMs: clock.monotonic() - startedAt,
    error: thrown,
  });
}

const makeCall = (
  principal: string,
  { requestId, deadlineMs }: RequestHead,
  { sessionId, channel }: Exchange,
  startedAt: number,
  traceparent: string | undefined,
  network: string | undefined,
  time: number,
): Call => ({
  principal,
  sessionId,
  requestId,
  deadlineAt: startedAt + deadlineMs,
  traceparent,
  channel,
  time,
  ...(network === undefined ? {} : { network }),
});

async function work(
  { contract, handler }: Operation,
  exchange: Exchange,
  call: Call,
  partsHeader: string,
  clock: Clock,
  active: ActiveSpan,
): Promise<void> {
  if (exchange.refusal !== undefined) throw exchange.refusal;
  const checkDeadline = (): void => {
    if (clock.monotonic() > call.deadlineAt) throw failure('DEADLINE_EXCEEDED');
  };
  checkDeadline();
  const message = decodeFrame(partsHeader, exchange.body);
  let reply: unknown;
  let mayHoldSecrets = true;
  try {
    const request = contract === undefined ? message : parseMessage(contract.request, message);
    reply = await context.with(active.context, () => handler(request, call));
    checkDeadline();
    mayHoldSecrets = respond(exchange, reply) > 1;
  } finally {
    // Messages without binary parts hold no Secret: nothing to look for.
    if (partsHeader.includes(',')) disposeSecrets(message);
    if (mayHoldSecrets) disposeSecrets(reply);
  }
}

/** @returns the number of parts of the answer. */
function respond(exchange: Exchange, reply: unknown): number {
  const frame = encodeFrame(reply);
  try {
    if (frame.body.length > MAX_MESSAGE_BYTES) {
      throw failure('PAYLOAD_TOO_LARGE', {
        publicMessage: 'The answer is larger than 900 KiB. Ask for less at once.',
      });
    }
    exchange.respond(frame);
    return frame.lengths.length;
  } finally {
    frame.body.fill(0);
  }
}

/** Tells the asker, through the channel where it is open. @returns the code that was told. */
function fail(
  msg: Msg,
  exchange: Exchange | undefined,
  known: PublicError,
  { span }: ActiveSpan,
): Served['outcome'] {
  const { traceId } = span.spanContext();
  const error = isSpanContextValid(span.spanContext()) ? { ...known, traceId } : known;
  try {
    if (exchange === undefined) respondPlainError(msg, error);
    else exchange.fail(error);
  } catch (cause) {
    // The session's replies are used up, or the connection is gone: a fresh session may ask again.
    tryPlain(msg, toPublicError(cause));
  }
  return isErrorCode(error.code) ? error.code : 'INTERNAL';
}

function tryPlain(msg: Msg, error: PublicError): void {
  try {
    respondPlainError(msg, error);
  } catch {
    // Closed: the asker's deadline tells it.
  }
}
