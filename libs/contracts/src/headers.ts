/** Every header that Keymesh puts on a message. */
export const HEADERS = {
  /** Byte lengths of the JSON part and each binary part: `120,32`. */
  parts: 'Keymesh-Parts',
  requestId: 'Keymesh-Request-Id',
  /** Milliseconds from sending until the asker gives up, at most 30,000. */
  deadlineMs: 'Keymesh-Deadline-Ms',
  /** The signed channel set-up (docs/reference/channel.md). */
  channel: 'Keymesh-Channel',
  /** Sequence of this request in its session. */
  channelSequence: 'Keymesh-Channel-Sequence',
  /** The answering instance's 32 random bytes (base64url) and its reply counter: `salt,counter`. */
  channelReply: 'Keymesh-Channel-Reply',
  traceparent: 'traceparent',
  logIndex: 'Keymesh-Log-Index',
  leafHash: 'Keymesh-Leaf-Hash',
  eventId: 'Keymesh-Event-Id',
  /** Ed25519 signature (base64url) of an event by its producer, over subject, id and body. */
  signature: 'Keymesh-Signature',
  /** Who asks over an account boundary, by the server: JSON with `host`. */
  requestInfo: 'Nats-Request-Info',
  /** NATS service errors, ADR-32. */
  serviceError: 'Nats-Service-Error',
  serviceErrorCode: 'Nats-Service-Error-Code',
} as const;

export const MAX_MESSAGE_BYTES = 900 * 1024;
export const MAX_VALUE_BYTES = 64 * 1024;
export const MAX_DEADLINE_MS = 30_000;
export const DEFAULT_DEADLINE_MS = 5_000;
