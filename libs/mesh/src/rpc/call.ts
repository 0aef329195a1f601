import type { ErrorCode, ReplyOf, RequestOf, Role, RpcContract } from '@keymesh/contracts';

/** Who asks, and how long they wait. Proven by broker and channel, never read from the message. */
export interface Call {
  readonly principal: string;
  /** Channel session, 16 bytes hex; undefined for a plain request. */
  readonly sessionId: string | undefined;
  readonly requestId: string;
  /** By the clock's `monotonic()`. */
  readonly deadlineAt: number;
  /** W3C trace context of the server's span, or what the asker sent when nothing traces here. */
  readonly traceparent: string | undefined;
  readonly channel: 'encrypted' | 'plain';
  /** See `askerNetwork`; absent where the server does not say. */
  readonly network?: string;
  /** When it came, by the service's clock: whole seconds since the Unix epoch. */
  readonly time?: number;
}

/** What policies see of how something is asked. */
export const callContext = ({
  channel,
  network,
  time,
}: Pick<Call, 'channel' | 'network' | 'time'>): Pick<Call, 'channel' | 'network' | 'time'> => ({
  channel,
  ...(network === undefined ? {} : { network }),
  ...(time === undefined ? {} : { time }),
});

/**
 * One operation's work. Throws `failure(…)` of the catalogue.
 * Ownership: the dispatcher disposes the Secrets of the request once the handler has settled, and those of the reply once it is
 * encrypted. A handler that keeps one longer, or answers a cached one, must copy it.
 */
export type Handler<C extends RpcContract> = (request: RequestOf<C>, call: Call) => Promise<ReplyOf<C>>;

/** What the dispatcher must know of a principal; `Directory` of `@keymesh/policy-engine` fits. */
export interface PrincipalView {
  readonly roles: readonly Role[];
  readonly status: 'invited' | 'active' | 'disabled' | 'locked' | 'killed';
}

/** One request answered, for metrics and logs. */
export interface Served {
  /** The contract's name, or `unknown`. */
  readonly operation: string;
  readonly principal: string | undefined;
  readonly requestId: string | undefined;
  readonly channel: 'encrypted' | 'plain';
  readonly outcome: 'success' | ErrorCode;
  readonly durationMs: number;
  /** What was thrown; for our own logs only. */
  readonly error: unknown;
}
