import type { KeyObject } from 'node:crypto';
import { fromBase64Url, type Clock, type SigningKey } from '@keymesh/kernel';
import type { CipherSuite } from 'hpke';
import { deriveReplyKey, open, seal } from './aead.js';
import { associatedData } from './associated-data.js';
import type { ChannelKeyStatement } from './channel-key.js';
import { MAX_SESSION_MS, SALT_BYTES } from './limits.js';
import { expired, rejected, replayed } from './refusals.js';
import { isBeyondLimit, isSequence, makeSequenceWindow, type SequenceWindow } from './sequence-window.js';
import { setupInfo, signSetup } from './setup.js';
import { channelSuite, exportSessionKeys, type SessionKeys } from './suite.js';

const MAX_INSTANCES = 4_096;

export interface OutgoingRequest {
  readonly subject: string;
  /** Unique in the session: the reply is bound to it. */
  readonly requestId: string;
  /** Whole milliseconds. */
  readonly deadlineMs: number;
  /** `Keymesh-Parts` of the frame. */
  readonly partsHeader: string;
  /** The frame, before encryption. */
  readonly body: Uint8Array;
}

export interface IncomingReply {
  readonly subject: string;
  readonly requestId: string;
  /** `Keymesh-Channel-Reply` */
  readonly replyHeader: string;
  readonly partsHeader: string;
  readonly body: Uint8Array;
}

/** The client's end of a session with one service (all of its instances). */
export interface ClientSession {
  /** 16 bytes hex; the service derives the same. */
  readonly sessionId: string;
  /** `Keymesh-Channel` of every request of the session. */
  readonly setupHeader: string;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
  /**
   * Encrypts a request. Each call uses up one sequence.
   * @returns `sequence` for `Keymesh-Channel-Sequence`, and the body to send.
   * @throws CHANNEL_EXPIRED when the session is over or used up: open a new one.
   */
  encryptRequest(request: OutgoingRequest): { sequence: number; body: Uint8Array };
  /**
   * Decrypts the reply to a request of this session into fresh bytes, which the caller zeroes.
   * @throws CHANNEL_REJECTED when it is not authentic or not for this request; REPLAYED when it came before.
   */
  decryptReply(reply: IncomingReply): Uint8Array;
}

export interface OpenSessionOptions {
  readonly principal: string;
  /** The principal's channel key (not its nkey: the broker chooses what an nkey signs). */
  readonly signingKey: SigningKey;
  /** Already checked by {@link readChannelKey}. */
  readonly service: ChannelKeyStatement;
  readonly clock: Clock;
}

/**
 * Opens a session: asymmetric work once, no I/O. The service learns of it from the first request.
 * @throws CHANNEL_EXPIRED when the service's key is over; CHANNEL_REJECTED when it is no usable X25519 key.
 */
export const openSession = (options: OpenSessionOptions): Promise<ClientSession> =>
  openSessionWith(options, channelSuite());

/** Test-only seam: a suite whose ephemeral key is fixed makes the golden vectors. Not exported from the package. */
export async function openSessionWith(
  options: OpenSessionOptions,
  suite: CipherSuite,
): Promise<ClientSession> {
  const { principal, signingKey, service, clock } = options;
  const now = clock.now();
  if (now >= service.notAfter) throw expired();
  const clientPublicKey = fromBase64Url(signingKey.publicKeyText);
  const servicePublicKey = fromBase64Url(service.publicKey);
  if (clientPublicKey === undefined || servicePublicKey === undefined) throw rejected();
  const expiresAt = Math.min(now + MAX_SESSION_MS, service.notAfter);
  const fields = { principal, clientPublicKey, service: service.service, keyId: service.keyId, expiresAt };
  const info = setupInfo(fields, servicePublicKey);
  const { encapsulatedSecret, keys } = await encapsulate(suite, servicePublicKey, info);
  const setupHeader = signSetup(fields, info, encapsulatedSecret, signingKey);
  return makeClientSession(keys, setupHeader, expiresAt, clock);
}

async function encapsulate(suite: CipherSuite, servicePublicKey: Uint8Array, info: Uint8Array) {
  try {
    const publicKey = await suite.DeserializePublicKey(servicePublicKey);
    // An all-zero shared secret (a public key of small order) is refused by the X25519 operation: RFC 7748 section 6.1.
    const { encapsulatedSecret, ctx } = await suite.SetupSender(publicKey, { info });
    return { encapsulatedSecret, keys: await exportSessionKeys(ctx) };
  } catch {
    throw rejected();
  }
}

/** One instance of the service as seen by this session. */
interface Instance {
  readonly key: KeyObject;
  readonly window: SequenceWindow;
}

function makeClientSession(
  keys: SessionKeys,
  setupHeader: string,
  expiresAt: number,
  clock: Clock,
): ClientSession {
  const instances = new Map<string, Instance>();
  let lastSequence = 0;

  const remember = (salt: string, instance: Instance): void => {
    if (instances.has(salt)) return;
    const oldest = instances.size >= MAX_INSTANCES ? instances.keys().next().value : undefined;
    if (oldest !== undefined) instances.delete(oldest);
    instances.set(salt, instance);
  };

  return {
    sessionId: keys.sessionId,
    setupHeader,
    expiresAt,
    encryptRequest({ body, ...binding }) {
      const sequence = lastSequence + 1;
      if (clock.now() >= expiresAt || isBeyondLimit(sequence)) throw expired();
      // INVARIANT: the sequence is the nonce, so it is used up before anything can fail.
      lastSequence = sequence;
      const aad = associatedData({ direction: 'request', ...binding, sequence });
      return { sequence, body: seal(keys.request, sequence, aad, body) };
    },
    decryptReply({ replyHeader, body, ...binding }) {
      const { salt, saltBytes, counter } = parseReplyHeader(replyHeader);
      const instance = instances.get(salt) ?? {
        key: deriveReplyKey(keys.replyBase, saltBytes()),
        window: makeSequenceWindow(),
      };
      const aad = associatedData({
        direction: 'reply',
        ...binding,
        sequence: counter,
        deadlineMs: undefined,
      });
      const plaintext = open(instance.key, counter, aad, body);
      // INVARIANT: only an authentic reply changes what the session remembers; a forger cannot fill or flush it.
      remember(salt, instance);
      if (instance.window.take(counter)) return plaintext;
      plaintext.fill(0);
      throw replayed();
    },
  };
}

const REPLY_HEADER = /^([A-Za-z0-9_-]{43}),([1-9][0-9]{0,6})$/;

function parseReplyHeader(header: string): { salt: string; saltBytes: () => Uint8Array; counter: number } {
  const [, salt, counterText] = REPLY_HEADER.exec(header) ?? [];
  const counter = Number(counterText);
  if (salt === undefined || !isSequence(counter) || isBeyondLimit(counter)) throw rejected();
  const saltBytes = (): Uint8Array => {
    const bytes = fromBase64Url(salt);
    if (bytes?.length !== SALT_BYTES) throw rejected();
    return bytes;
  };
  return { salt, saltBytes, counter };
}
