import type { Acceptor } from '@keymesh/channel';
import {
  encodeFrame,
  failure,
  HEADERS,
  partsHeader,
  type Frame,
  type PublicError,
  type RpcContract,
} from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import { MsgHdrsImpl, type Msg, type MsgHdrs } from '@nats-io/nats-core';
import { sendTogether } from '../send-together.js';
import type { PrincipalView } from './call.js';
import { respondPlain, respondPlainError, type RequestHead } from './wire.js';

/** One request whose asker is proven, and the way back to it. */
export interface Exchange {
  readonly channel: 'encrypted' | 'plain';
  readonly sessionId: string | undefined;
  /** The request's frame; the dispatcher zeroes it. */
  readonly body: Uint8Array;
  /** Set when the request was authentic but is refused all the same: told through the channel. */
  readonly refusal: KeymeshError | undefined;
  /** @throws CHANNEL_EXPIRED when the session's replies are used up. */
  respond(frame: Frame): void;
  fail(error: PublicError): void;
}

export interface ExchangeOptions {
  readonly acceptor: Acceptor;
  readonly principals: { find(name: string): PrincipalView | undefined };
  readonly allowPlainReply: boolean;
}

/**
 * Proves who asks, and opens the request.
 * INVARIANT: nothing is said inside the channel before the request itself was authentic; else a forger could have authentic refusals
 * written for requests that are still under way. So everything thrown here is answered plain.
 * @throws CHANNEL_REQUIRED, CHANNEL_EXPIRED, CHANNEL_REJECTED, UNAVAILABLE
 */
export async function openExchange(
  { acceptor, principals, allowPlainReply }: ExchangeOptions,
  msg: Msg,
  principal: string,
  head: RequestHead,
  contract: RpcContract | undefined,
): Promise<Exchange> {
  if (head.channel !== undefined)
    return openEncrypted(acceptor, principals, msg, principal, head, head.channel);
  const view = principals.find(principal);
  const isPlainClient = allowPlainReply && view?.roles.includes('plain-reply') === true;
  if (contract?.channel !== 'none' && !isPlainClient) throw failure('CHANNEL_REQUIRED');
  return {
    channel: 'plain',
    sessionId: undefined,
    body: msg.data,
    refusal: contract?.channel === 'none' ? undefined : statusRefusal(view),
    respond: (frame) => respondPlain(msg, frame),
    fail: (error) => respondPlainError(msg, error),
  };
}

async function openEncrypted(
  acceptor: Acceptor,
  principals: ExchangeOptions['principals'],
  msg: Msg,
  principal: string,
  head: RequestHead,
  channel: NonNullable<RequestHead['channel']>,
): Promise<Exchange> {
  const session =
    acceptor.known(channel.setupHeader) ?? (await acceptor.accept(channel.setupHeader, principal));
  // INVARIANT: the broker's word (the subject) and the channel's must agree.
  if (session.principal !== principal) throw failure('CHANNEL_REJECTED');
  const { subject } = msg;
  const { requestId, deadlineMs } = head;
  let body = new Uint8Array();
  let replayed: KeymeshError | undefined;
  try {
    const binding = {
      subject,
      requestId,
      deadlineMs,
      sequence: channel.sequence,
      partsHeader: head.partsHeader,
    };
    body = session.decryptRequest({ ...binding, body: msg.data }) as Uint8Array<ArrayBuffer>;
  } catch (error) {
    if (!KeymeshError.is(error) || error.code !== 'REPLAYED') throw error;
    replayed = error;
  }
  const respond = (frame: Frame): void => {
    const parts = partsHeader(frame);
    const sealed = session.encryptReply({ subject, requestId, partsHeader: parts, body: frame.body });
    // Both are made of digits, commas and base64url: nothing that `set` would have to check.
    const head = MsgHdrsImpl.fromRecord({
      [HEADERS.parts]: [parts],
      [HEADERS.channelReply]: [sealed.replyHeader],
    });
    sendTogether(() => tryRespond(msg, sealed.body, head));
  };
  return {
    channel: 'encrypted',
    sessionId: session.sessionId,
    body,
    refusal: replayed ?? statusRefusal(principals.find(principal)),
    respond,
    fail: (error) => respond(encodeFrame({ error })),
  };
}

function tryRespond(msg: Msg, body: Uint8Array, head: MsgHdrs): void {
  try {
    msg.respond(body, { headers: head });
  } catch {
    // Closed: the asker's deadline tells it.
  }
}

/** What a principal that is not (any more) active is told, whatever it asks. */
function statusRefusal(view: PrincipalView | undefined): KeymeshError | undefined {
  if (view?.status === 'active') return undefined;
  return failure(view?.status === 'locked' ? 'PRINCIPAL_LOCKED' : 'DENIED');
}
