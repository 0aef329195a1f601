import {
  ACCOUNTS,
  CLIENT_LIMITS,
  clientPermissions,
  siemPermissions,
  type SubjectPermissions,
} from '@keymesh/contracts';
import { fromUtf8, utf8 } from '@keymesh/kernel';
import { isSignedByNkey, type MeshConnection } from '@keymesh/mesh';
import { decode, encodeAuthorizationResponse, encodeUser, type AuthorizationRequest } from '@nats-io/jwt';
import type { KeyPair } from '@nats-io/nkeys';
import type { TestPrincipal } from './identities.js';

const JWT_SECONDS = 600;

export interface TestCalloutOptions {
  readonly connection: MeshConnection;
  readonly issuer: KeyPair;
  readonly xkey: KeyPair;
  /** By public nkey. */
  readonly principals: ReadonlyMap<string, TestPrincipal>;
}

/** Answers the server's auth callout for test principals. The real one is the policy service's. */
export async function startTestCallout(options: TestCalloutOptions): Promise<void> {
  const { connection, issuer, xkey, principals } = options;
  connection.nats.subscribe('$SYS.REQ.USER.AUTH', {
    queue: 'policy',
    callback: (_error, msg) => {
      const serverXkey = msg.headers?.get('Nats-Server-Xkey') ?? '';
      const opened = xkey.open(msg.data, serverXkey);
      if (opened === null) return;
      const request = decode<AuthorizationRequest>(fromUtf8(opened)).nats as AuthorizationRequest;
      void answer(request, issuer, principals).then((response) =>
        msg.respond(xkey.seal(utf8(response), serverXkey)),
      );
    },
  });
  await connection.nats.flush();
}

async function answer(
  request: AuthorizationRequest,
  issuer: KeyPair,
  principals: ReadonlyMap<string, TestPrincipal>,
): Promise<string> {
  const principal = isProven(request) ? principals.get(request.connect_opts.nkey ?? '') : undefined;
  const decision =
    principal === undefined ? { error: 'unknown' } : { jwt: await userJwt(request, principal, issuer) };
  return encodeAuthorizationResponse(request.user_nkey, request.server_id.id, issuer, decision, {
    aud: request.server_id.id,
  });
}

/** Whether the key that the client names signed the server's nonce: with a callout the server itself does not check. */
function isProven({ connect_opts: client, client_info: info, request_nonce }: AuthorizationRequest): boolean {
  const nonce = info.nonce ?? request_nonce;
  if (client.nkey === undefined || client.sig === undefined || nonce === undefined) return false;
  return isSignedByNkey(client.nkey, utf8(nonce), Buffer.from(client.sig, 'base64url'));
}

function userJwt(request: AuthorizationRequest, principal: TestPrincipal, issuer: KeyPair): Promise<string> {
  const isSiem = principal.roles.includes('siem');
  const aud = isSiem ? ACCOUNTS.siem : ACCOUNTS.clients;
  const permissions: SubjectPermissions = (isSiem ? siemPermissions : clientPermissions)(principal.name);
  return encodeUser(
    principal.name,
    request.user_nkey,
    issuer,
    {
      ...CLIENT_LIMITS,
      pub: { allow: [...permissions.publish], deny: [] },
      sub: { allow: [...permissions.subscribe], deny: [] },
    },
    { aud, exp: Math.floor(Date.now() / 1_000) + JWT_SECONDS },
  );
}
