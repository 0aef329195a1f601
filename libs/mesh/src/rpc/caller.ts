import type { ReplyOf, RequestInput, RpcContract } from '@keymesh/contracts';
import type { Clock, SigningKey } from '@keymesh/kernel';
import type { MeshConnection } from '../connection.js';

export interface CallerOptions {
  readonly connection: MeshConnection;
  readonly principal: string;
  /** The principal's channel key. */
  readonly signingKey: SigningKey;
  /** Pinned at enrolment; 32 bytes base64url. */
  readonly meshPublicKey: string;
  readonly clock: Clock;
}

export interface CallOptions {
  /** How long to wait, whole milliseconds, 1 to 30,000. Default 5,000. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export interface Caller {
  call<C extends RpcContract>(
    contract: C,
    request: RequestInput<C>,
    options?: CallOptions,
  ): Promise<ReplyOf<C>>;
  close(): void;
}

/** The asker's end of RPC. */
export function makeCaller(_options: CallerOptions): Caller {
  throw new Error('being built');
}

/** Asks one operation of `channel: 'none'`, e.g. enrolment before any mesh key is known. */
export function callPlain<C extends RpcContract>(
  _connection: MeshConnection,
  _principal: string,
  _contract: C,
  _request: RequestInput<C>,
  _options?: CallOptions,
): Promise<ReplyOf<C>> {
  throw new Error('being built');
}
