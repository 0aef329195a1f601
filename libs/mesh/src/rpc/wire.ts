import { randomUUID } from 'node:crypto';
import {
  DEFAULT_DEADLINE_MS,
  encodeFrame,
  ERROR_CATALOGUE,
  failure,
  HEADERS,
  MAX_DEADLINE_MS,
  partsHeader,
  subjects,
  type Frame,
  type PublicError,
} from '@keymesh/contracts';
import { headers, type Msg, type MsgHdrs } from '@nats-io/nats-core';
import { headerOf } from './header-of.js';

const REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;
const WHOLE_NUMBER = /^[0-9]{1,15}$/;
/** Replies over an account boundary; only the server makes these. */
const CROSS_ACCOUNT_REPLY = '_R_.';

/** What a request's headers say, before anything of it is believed. */
export interface RequestHead {
  readonly requestId: string;
  readonly deadlineMs: number;
  readonly partsHeader: string;
  /** Present on an encrypted request. */
  readonly channel: { readonly setupHeader: string; readonly sequence: number } | undefined;
}

/** @throws BAD_REQUEST naming the header and its rule. */
export function readRequestHead({ headers: head }: Msg): RequestHead {
  const get = (name: string): string => headerOf(head, name);
  const requestId = get(HEADERS.requestId);
  if (requestId !== '' && !REQUEST_ID.test(requestId))
    throw badHeader(HEADERS.requestId, '1 to 64 of A-Z a-z 0-9 _ -');
  const deadlineText = get(HEADERS.deadlineMs);
  const deadlineMs = deadlineText === '' ? DEFAULT_DEADLINE_MS : readWhole(deadlineText);
  if (deadlineMs === undefined || deadlineMs < 1 || deadlineMs > MAX_DEADLINE_MS) {
    throw badHeader(HEADERS.deadlineMs, `whole milliseconds, 1 to ${MAX_DEADLINE_MS}`);
  }
  const setupHeader = get(HEADERS.channel);
  const sequence = readWhole(get(HEADERS.channelSequence)) ?? 0;
  return {
    requestId: requestId === '' ? randomUUID() : requestId,
    deadlineMs,
    partsHeader: get(HEADERS.parts),
    channel: setupHeader === '' ? undefined : { setupHeader, sequence },
  };
}

const readWhole = (text: string): number | undefined => (WHOLE_NUMBER.test(text) ? Number(text) : undefined);

const badHeader = (name: string, rule: string) =>
  failure('BAD_REQUEST', { publicMessage: `The header ${name} must be ${rule}.` });

/**
 * Whether an answer may go to this message's reply subject: the asker's own inbox, or one that the server made at the account
 * boundary. INVARIANT: a caller must not aim an answer at a subject that it could not write itself.
 */
export const isOwnReply = (reply: string | undefined, principal: string): reply is string =>
  reply !== undefined &&
  (reply.startsWith(CROSS_ACCOUNT_REPLY) || reply.startsWith(`${subjects.inboxPrefix(principal)}.`));

/** Answers without the channel. */
export function respondPlain(msg: Msg, frame: Frame): void {
  const head = headers();
  head.set(HEADERS.parts, partsHeader(frame));
  // A copy: the client sends at the end of the turn, and the dispatcher zeroes the frame before that.
  msg.respond(frame.body.slice(), { headers: head });
}

/** Answers a failure without the channel: NATS service error headers (ADR-32), and the same as a JSON body. */
export function respondPlainError(msg: Msg, error: PublicError): void {
  const frame = encodeFrame({ error });
  const head = headers();
  head.set(HEADERS.parts, partsHeader(frame));
  head.set(HEADERS.serviceError, `${error.code}: ${error.message}`.replaceAll(/[\r\n]/g, ' '));
  head.set(HEADERS.serviceErrorCode, String(ERROR_CATALOGUE[error.code].status));
  msg.respond(frame.body, { headers: head });
}

/** Header access for OpenTelemetry propagators. */
export const headerGetter = {
  keys: (head: MsgHdrs): string[] => head.keys(),
  get: (head: MsgHdrs, name: string): string | undefined => headerOf(head, name) || undefined,
};
export const headerSetter = {
  set: (head: MsgHdrs, name: string, value: string): void => head.set(name, value),
};
