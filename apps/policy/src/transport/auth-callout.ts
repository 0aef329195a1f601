import { CLIENT_LIMITS } from '@keymesh/contracts';
import { fromUtf8, SECOND, utf8, type Clock } from '@keymesh/kernel';
import { decode, encodeAuthorizationResponse, encodeUser, type AuthorizationRequest } from '@nats-io/jwt';
import type { KeyPair } from '@nats-io/nkeys';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { Admission, ConnectionAsk } from '../domain/admission.js';

export type CalloutOutcome = 'admitted' | 'refused' | 'malformed' | 'overloaded' | 'failed';

export interface AuthCalloutOptions {
  readonly nats: NatsConnection;
  /** Signs answers; its public half is in the server's configuration. */
  readonly issuer: KeyPair;
  /** The server encrypts to it, and we to the server. */
  readonly xkey: KeyPair;
  readonly admit: (ask: ConnectionAsk) => Promise<Admission | undefined>;
  readonly clock: Clock;
  readonly onAnswered: (outcome: CalloutOutcome, durationMs: number, error?: unknown) => void;
}

const SUBJECT = '$SYS.REQ.USER.AUTH';
/** Beyond this many at once they are left unanswered: the server refuses them, and who is known may try again. */
const MAX_IN_FLIGHT = 256;
/** INVARIANT: the same for every refusal, so that nobody learns which keys exist. */
const NEUTRAL = 'not admitted';

/**
 * Answers the NATS server's auth callout in the queue group `policy`. Takes only what the server encrypted to us and signed itself.
 */
export function serveAuthCallout(options: AuthCalloutOptions): { stop(): Promise<void> } {
  const { nats, clock, onAnswered } = options;
  let inFlight = 0;
  const subscription = nats.subscribe(SUBJECT, {
    queue: 'policy',
    callback: (error, msg) => {
      if (error !== null) return;
      if (inFlight >= MAX_IN_FLIGHT) {
        onAnswered('overloaded', 0);
        return;
      }
      inFlight += 1;
      const startedAt = clock.monotonic();
      void answer(options, msg)
        .then(
          (outcome) => onAnswered(outcome, clock.monotonic() - startedAt),
          // Unanswered: the server refuses when its time is over.
          (failed: unknown) => onAnswered('failed', clock.monotonic() - startedAt, failed),
        )
        .finally(() => (inFlight -= 1));
    },
  });
  return { stop: () => subscription.drain() };
}

async function answer({ issuer, xkey, admit }: AuthCalloutOptions, msg: Msg): Promise<CalloutOutcome> {
  const serverXkey = msg.headers?.get('Nats-Server-Xkey') ?? '';
  const request = openRequest(msg.data, serverXkey, xkey);
  if (request === undefined) return 'malformed';
  const { user_nkey: userNkey, server_id: server } = request;
  const admission = await admit(askOf(request));
  const decision =
    admission === undefined ? { error: NEUTRAL } : { jwt: await userJwt(admission, userNkey, issuer) };
  const response = await encodeAuthorizationResponse(userNkey, server.id, issuer, decision, {
    aud: server.id,
  });
  msg.respond(xkey.seal(utf8(response), serverXkey));
  return admission === undefined ? 'refused' : 'admitted';
}

/** @returns undefined for anything but a request that a server encrypted with its xkey and signed with its own key. */
function openRequest(data: Uint8Array, serverXkey: string, xkey: KeyPair): AuthorizationRequest | undefined {
  try {
    const opened = xkey.open(data, serverXkey);
    if (opened === null) return undefined;
    const claims = decode<AuthorizationRequest>(fromUtf8(opened)); // checks the signature of claims.iss
    const request = claims.nats as AuthorizationRequest;
    const isServers = claims.iss === request.server_id.id && request.server_id.xkey === serverXkey;
    return isServers ? request : undefined;
  } catch {
    return undefined;
  }
}

const askOf = ({
  client_info: info,
  connect_opts: client,
  server_id: server,
  request_nonce,
}: AuthorizationRequest): ConnectionAsk => ({
  nkey: client.nkey,
  signature: client.sig,
  nonce: info.nonce ?? request_nonce,
  serverId: server.id,
  clientId: info.id ?? 0,
  host: info.host,
});

/** The JWT with exactly the permissions of the admission. */
const userJwt = (admission: Admission, userNkey: string, issuer: KeyPair): Promise<string> =>
  encodeUser(
    admission.principal,
    userNkey,
    issuer,
    {
      ...CLIENT_LIMITS,
      pub: { allow: [...admission.permissions.publish], deny: [] },
      sub: { allow: [...admission.permissions.subscribe], deny: [] },
    },
    { aud: admission.account, exp: Math.floor(admission.expiresAtMs / SECOND) },
  );
