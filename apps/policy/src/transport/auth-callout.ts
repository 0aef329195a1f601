import { SESSION_USER } from '@keymesh/contracts';
import { fromUtf8, utf8, type Clock } from '@keymesh/kernel';
import type { NkeyPair } from '@keymesh/mesh';
import type { KeyPair } from '@nats-io/nkeys';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { Admission, ConnectionAsk } from '../domain/admission.js';
import {
  readAuthorizationRequest,
  signAuthorizationResponse,
  signUserJwt,
  type AuthorizationClaims,
} from './nats-jwt.js';

export type CalloutOutcome = 'admitted' | 'refused' | 'malformed' | 'overloaded' | 'failed';

export interface AuthCalloutOptions {
  readonly nats: Pick<NatsConnection, 'subscribe'>;
  /** Signs answers; its public half is in the server's configuration. */
  readonly issuer: NkeyPair;
  /** The server encrypts to it, and we to the server. */
  readonly xkey: Pick<KeyPair, 'open' | 'seal'>;
  readonly admit: (ask: ConnectionAsk) => Promise<Admission | undefined>;
  readonly clock: Clock;
  readonly onAnswered: (outcome: CalloutOutcome, durationMs: number, error?: unknown) => void;
}

const SUBJECT = '$SYS.REQ.USER.AUTH';
/** Beyond this many at once they are left unanswered: the server refuses them, and who is known may try again. */
const MAX_IN_FLIGHT = 256;
/** INVARIANT: the same for every refusal, so that nobody learns which keys exist. */
const NEUTRAL = 'not admitted';

/** Answers the NATS server's auth callout in the queue group `policy`. Takes only what a server encrypted to us and signed itself. */
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

async function answer({ issuer, xkey, admit, clock }: AuthCalloutOptions, msg: Msg): Promise<CalloutOutcome> {
  const serverXkey = msg.headers?.get('Nats-Server-Xkey') ?? '';
  const request = openRequest(msg.data, serverXkey, xkey);
  if (request === undefined) return 'malformed';
  const admission = await admit(askOf(request));
  const [userNkey, serverId] = [request.user_nkey, request.server_id.id];
  const answer =
    admission === undefined
      ? { error: NEUTRAL }
      : { jwt: signUserJwt(admission, userNkey, issuer, clock.now()) };
  const response = signAuthorizationResponse(answer, { userNkey, serverId }, issuer, clock.now());
  msg.respond(xkey.seal(utf8(response), serverXkey));
  return admission === undefined ? 'refused' : 'admitted';
}

/** @returns undefined for anything but a request of a server whose xkey is the one it was encrypted with. */
function openRequest(
  data: Uint8Array,
  serverXkey: string,
  xkey: AuthCalloutOptions['xkey'],
): AuthorizationClaims['nats'] | undefined {
  try {
    const opened = xkey.open(data, serverXkey);
    const request = opened === null ? undefined : readAuthorizationRequest(fromUtf8(opened));
    return request?.server_id.xkey === serverXkey ? request : undefined;
  } catch {
    return undefined; // the nkey library throws on what was not sealed to us
  }
}

const askOf = ({
  client_tls: tls,
  client_info: info,
  connect_opts: client,
  server_id: server,
  request_nonce,
}: AuthorizationClaims['nats']): ConnectionAsk => ({
  nkey: client.nkey,
  signature: client.sig,
  nonce: info.nonce ?? request_nonce,
  wantsSession: client.user === SESSION_USER,
  ...certificateOf(tls?.verified_chains?.[0]?.[0]),
  serverId: server.id,
  clientId: info.id ?? 0,
  host: info.host,
});

function certificateOf(pem: string | undefined): Pick<ConnectionAsk, 'certificate'> {
  if (pem === undefined) return {};
  // What does not read is no certificate of anybody.
  const der = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END/.exec(pem)?.[1] ?? '';
  return { certificate: der.replace(/\s/g, '') };
}
