import { failure, subjects } from '@keymesh/contracts';
import { toBase64Url, utf8, type Secret } from '@keymesh/kernel';
import { connect, type Authenticator, type NatsConnection } from '@nats-io/transport-node';
import { translateConnectError } from './nats-failures.js';
import { nkeyPairOf } from './nkey.js';
import { tlsOptions, type MeshTls } from './tls.js';

const FIRST_RECONNECT_MS = 100;
/** Soon after a restart of the server, and no burden on it while it refuses a principal for good. */
const LONGEST_RECONNECT_MS = 2_000;
const PING_INTERVAL_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** Events of a connection for logs: fields, never text from the wire. */
export interface ConnectionLogger {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export interface ConnectMeshOptions {
  /** `nats://host:port` or `tls://host:port`, or several. */
  readonly servers: string | readonly string[];
  /** nkey user seed in its text form (`SU…`) as bytes; the caller keeps ownership. */
  readonly nkeySeed: Secret;
  /** The inbox prefix is made of it: the server lets nobody else read there. */
  readonly principal: string;
  /** Told to the auth callout beside the nkey. */
  readonly user?: string;
  readonly tls?: MeshTls;
  readonly logger?: ConnectionLogger;
}

/** One connection to the bus. It reconnects for ever, whatever the reason it was closed for. */
export interface MeshConnection {
  readonly nats: NatsConnection;
  readonly principal: string;
  /** Whether the server can be reached right now. */
  isConnected(): boolean;
  /** Resolves true once connected, false when that took longer than `timeoutMs` or the connection was closed. */
  waitConnected(timeoutMs: number): Promise<boolean>;
  /** Calls back after each reconnect. @returns stops it. */
  onReconnect(listener: () => void): () => void;
  /** Sends what is pending and closes. Idempotent. */
  close(): Promise<void>;
}

/**
 * Connects as a principal.
 * @throws MESH_NOT_RUNNING when nobody listens there; DENIED when the server does not take the key; CONFIG_INVALID when its TLS does
 * not hold, or a file for it cannot be read.
 */
export async function connectMesh(options: ConnectMeshOptions): Promise<MeshConnection> {
  const { servers, principal, nkeySeed, logger } = options;
  const tls = await tlsOptions(servers, options.tls);
  const delays = makeReconnectDelays();
  const nats = await connect({
    servers: typeof servers === 'string' ? servers : [...servers],
    name: principal,
    authenticator: nkeyAuthenticator(nkeySeed, options.user),
    inboxPrefix: subjects.inboxPrefix(principal),
    maxReconnectAttempts: -1,
    reconnectDelayHandler: delays.next,
    pingInterval: PING_INTERVAL_MS,
    timeout: CONNECT_TIMEOUT_MS,
    // Else every request makes two Errors with stack traces, in case it fails: 6 % of the hot path.
    noAsyncTraces: true,
    // At a JWT's expiry with the callout away the client would otherwise close for good.
    ignoreAuthErrorAbort: true,
    ...(tls === undefined ? {} : { tls }),
  }).catch((error: unknown) => {
    throw translateConnectError(error);
  });
  const connection = watch(nats, principal, logger);
  connection.onReconnect(delays.reset);
  return connection;
}

/** Doubles from 100 ms to 2 s, with as much jitter, until a reconnect succeeds. */
function makeReconnectDelays(): { readonly next: () => number; readonly reset: () => void } {
  let waitMs = FIRST_RECONNECT_MS;
  return {
    next: () => {
      const delayMs = waitMs / 2 + (Math.random() * waitMs) / 2;
      waitMs = Math.min(LONGEST_RECONNECT_MS, waitMs * 2);
      return delayMs;
    },
    reset: () => {
      waitMs = FIRST_RECONNECT_MS;
    },
  };
}

/** Signs the server's nonce at every connect. Proves a connection and nothing else: the server chooses the nonce. */
function nkeyAuthenticator(seed: Secret, user: string | undefined): Authenticator {
  const { publicKey, sign } = nkeyPairOf(seed);
  const named = user === undefined ? {} : { user };
  return (nonce = '') => ({ ...named, nkey: publicKey, sig: toBase64Url(sign(utf8(nonce))) });
}

function watch(
  nats: NatsConnection,
  principal: string,
  logger: ConnectionLogger | undefined,
): MeshConnection {
  let connected = true;
  const reconnectListeners = new Set<() => void>();
  const waiters = new Set<(connected: boolean) => void>();
  const settle = (value: boolean): void => {
    for (const waiter of waiters) waiter(value);
    waiters.clear();
  };

  void (async () => {
    for await (const status of nats.status()) {
      if (status.type === 'disconnect') {
        connected = false;
        logger?.warn({ principal }, 'bus disconnected');
      } else if (status.type === 'reconnect') {
        connected = true;
        logger?.info({ principal }, 'bus reconnected');
        settle(true);
        for (const listener of reconnectListeners) listener();
      } else if (status.type === 'error') {
        logger?.warn({ principal, error: status.error.name }, 'bus refused something');
      }
    }
    connected = false;
    settle(false);
  })();

  return {
    nats,
    principal,
    isConnected: () => connected && !nats.isClosed(),
    waitConnected(timeoutMs) {
      if (nats.isClosed()) return Promise.resolve(false);
      if (connected) return Promise.resolve(true);
      return new Promise((resolve) => {
        const done = (value: boolean): void => {
          clearTimeout(timer);
          waiters.delete(done);
          resolve(value);
        };
        const timer = setTimeout(done, timeoutMs, false);
        waiters.add(done);
      });
    },
    onReconnect(listener) {
      reconnectListeners.add(listener);
      return () => reconnectListeners.delete(listener);
    },
    async close() {
      if (nats.isClosed()) return;
      // Draining waits for the server; without one it would wait for a reconnect that nobody wants any more.
      await (connected ? nats.drain() : nats.close()).catch(() => nats.close());
    },
  };
}

/** What every use of a closed connection throws. */
export const closedFailure = () =>
  failure('UNAVAILABLE', { publicMessage: 'The connection to the mesh is closed.' });
