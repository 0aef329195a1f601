import { toBase64Url, type Clock } from '@keymesh/kernel';
import { deriveReplyKey, open, seal } from './aead.js';
import { associatedData } from './associated-data.js';
import { expired, rejected, replayed } from './refusals.js';
import { isBeyondLimit, isSequence, makeSequenceWindow } from './sequence-window.js';
import type { SessionKeys } from './suite.js';

export interface IncomingRequest {
  readonly subject: string;
  readonly requestId: string;
  /** `Keymesh-Channel-Sequence` */
  readonly sequence: number;
  readonly deadlineMs: number;
  readonly partsHeader: string;
  readonly body: Uint8Array;
}

export interface OutgoingReply {
  readonly subject: string;
  readonly requestId: string;
  readonly partsHeader: string;
  readonly body: Uint8Array;
}

/** One instance's end of a session. */
export interface ServiceSession {
  /** Proven by the channel; the caller compares it with the subject's token. */
  readonly principal: string;
  /** 16 bytes hex. */
  readonly sessionId: string;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
  /**
   * Decrypts a request into fresh bytes, which the caller zeroes.
   * @throws CHANNEL_REJECTED when it is not authentic; CHANNEL_EXPIRED when the session is over or used up;
   * REPLAYED (only for an authentic request) when this instance saw the sequence or it is older than the window.
   */
  decryptRequest(request: IncomingRequest): Uint8Array;
  /**
   * Encrypts a reply. Each call uses up one counter.
   * @throws CHANNEL_EXPIRED when this instance's counter is used up.
   */
  encryptReply(reply: OutgoingReply): { replyHeader: string; body: Uint8Array };
}

export interface ServiceSessionOptions {
  readonly principal: string;
  readonly expiresAt: number;
  readonly keys: SessionKeys;
  /** 32 fresh random bytes. INVARIANT: never the same for two session objects, or reply nonces repeat. */
  readonly salt: Uint8Array;
  /** Sequences up to this one were seen before (by a session object that was evicted). */
  readonly floor: number;
  readonly clock: Clock;
}

/** @returns the session, and its highest sequence for the acceptor's book. */
export function makeServiceSession(options: ServiceSessionOptions): {
  session: ServiceSession;
  highest: () => number;
} {
  const { principal, expiresAt, keys, clock } = options;
  const window = makeSequenceWindow(options.floor);
  const replyKey = deriveReplyKey(keys.replyBase, options.salt);
  const salt = toBase64Url(options.salt);
  let lastCounter = 0;

  const session: ServiceSession = {
    principal,
    sessionId: keys.sessionId,
    expiresAt,
    decryptRequest({ body, ...binding }) {
      const { sequence, deadlineMs } = binding;
      if (!isSequence(sequence) || !Number.isSafeInteger(deadlineMs) || deadlineMs < 0) throw rejected();
      if (clock.now() >= expiresAt || isBeyondLimit(sequence)) throw expired();
      const aad = associatedData({ direction: 'request', ...binding });
      const plaintext = open(keys.request, sequence, aad, body);
      // INVARIANT: authentic first, then replayed. The other way round a forger could have an authenticated REPLAYED
      // written for a request that is still under way.
      if (window.take(sequence)) return plaintext;
      plaintext.fill(0);
      throw replayed();
    },
    encryptReply({ body, ...binding }) {
      const counter = lastCounter + 1;
      if (isBeyondLimit(counter)) throw expired();
      lastCounter = counter;
      const aad = associatedData({
        direction: 'reply',
        ...binding,
        sequence: counter,
        deadlineMs: undefined,
      });
      return { replyHeader: `${salt},${counter}`, body: seal(replyKey, counter, aad, body) };
    },
  };
  return { session, highest: () => window.highest() };
}
