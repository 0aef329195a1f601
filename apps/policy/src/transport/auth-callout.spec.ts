import { describe, expect, it } from '@jest/globals';
import { ACCOUNTS, clientPermissions } from '@keymesh/contracts';
import { fromUtf8, HOUR, Secret, toBase64Url, utf8 } from '@keymesh/kernel';
import { nkeyPairOf, type NkeyPair } from '@keymesh/mesh';
import { eventually, makeTestClock } from '@keymesh/testing';
import { decode } from '@nats-io/jwt';
import { createAccount, createCurve, createServer, createUser, type KeyPair } from '@nats-io/nkeys';
import { headers, type Msg, type SubscriptionOptions } from '@nats-io/transport-node';
import type { Admission, ConnectionAsk } from '../domain/admission.js';
import { serveAuthCallout, type CalloutOutcome } from './auth-callout.js';
import { isSignedBy } from './nkey-proof.js';

const clock = makeTestClock();
const nkey = (pair: KeyPair): NkeyPair => nkeyPairOf(new Secret(pair.getSeed(), 'seed'));
const [issuer, server, user] = [createAccount(), createServer(), createUser()].map(nkey) as [
  NkeyPair,
  NkeyPair,
  NkeyPair,
];
const [xkey, serverXkey] = [createCurve(), createCurve()];
const admission: Admission = {
  principal: 'billing',
  purpose: 'principal',
  account: ACCOUNTS.clients,
  permissions: clientPermissions('billing'),
  expiresAtMs: clock.now() + HOUR,
};

/** A request as nats-server 2.15 makes it. */
function requestToken(over: { nats?: object; signer?: NkeyPair; iss?: string } = {}): string {
  const claims = {
    iss: over.iss ?? server.publicKey,
    aud: 'nats-authorization-request',
    nats: {
      server_id: { name: 'n', host: '127.0.0.1', id: server.publicKey, xkey: serverXkey.getPublicKey() },
      user_nkey: user.publicKey,
      client_info: { host: '10.0.0.9', id: 42, nonce: 'the nonce', name: 'free text' },
      connect_opts: { protocol: 1, nkey: 'UX', sig: 'c2ln' },
      type: 'authorization_request',
      version: 2,
      ...over.nats,
    },
  };
  const body = [{ typ: 'JWT', alg: 'ed25519-nkey' }, claims]
    .map((part) => toBase64Url(utf8(JSON.stringify(part))))
    .join('.');
  return `${body}.${toBase64Url((over.signer ?? server).sign(utf8(body)))}`;
}

/** Asks the callout as the server would. */
async function knock(
  data: Uint8Array,
  verdict: Admission | undefined,
  senderXkey = serverXkey.getPublicKey(),
) {
  const asked: ConnectionAsk[] = [];
  const outcomes: CalloutOutcome[] = [];
  let response: Uint8Array | undefined;
  let deliver: SubscriptionOptions['callback'];
  const callout = serveAuthCallout({
    nats: {
      subscribe: (_subject: string, options?: SubscriptionOptions) => {
        deliver = options?.callback;
        return { drain: () => Promise.resolve() } as never;
      },
    },
    issuer,
    xkey,
    clock,
    admit: (ask) => {
      asked.push(ask);
      return Promise.resolve(verdict);
    },
    onAnswered: (outcome) => outcomes.push(outcome),
  });
  const header = headers();
  header.set('Nats-Server-Xkey', senderXkey);
  const msg = { data, headers: header, respond: (bytes: Uint8Array) => (response = bytes) } as unknown as Msg;
  void deliver?.(null, msg);
  await eventually(() => expect(outcomes).toHaveLength(1));
  await callout.stop();
  const opened = response === undefined ? undefined : serverXkey.open(response, xkey.getPublicKey());
  return {
    asked,
    outcome: outcomes[0],
    claims: opened == null ? undefined : decode<{ jwt: string; error: string }>(fromUtf8(opened)),
  };
}
const sealed = (text: string) => serverXkey.seal(utf8(text), xkey.getPublicKey());

describe('the auth callout', () => {
  it('answers the server, encrypted, with a JWT of exactly the admitted permissions', async () => {
    const { asked, outcome, claims } = await knock(sealed(requestToken()), admission);
    expect(outcome).toBe('admitted');
    expect(asked).toEqual([
      {
        nkey: 'UX',
        signature: 'c2ln',
        nonce: 'the nonce',
        wantsSession: false,
        serverId: server.publicKey,
        clientId: 42,
        host: '10.0.0.9',
      },
    ]);
    expect(claims).toMatchObject({
      iss: issuer.publicKey,
      sub: user.publicKey,
      aud: server.publicKey,
    });
    expect(decode(claims?.nats.jwt ?? '')).toMatchObject({
      iss: issuer.publicKey,
      sub: user.publicKey,
      aud: 'CLIENTS',
      name: 'billing',
      exp: Math.ceil((clock.now() + HOUR) / 1_000),
      nats: {
        pub: { allow: ['keymesh.v1.rpc.billing.>'], deny: [] },
        sub: { allow: ['_INBOX_billing.>', 'keymesh.v1.push.billing.>'], deny: [] },
        type: 'user',
      },
    });
  });

  it('tells a refused client nothing but that', async () => {
    const { outcome, claims } = await knock(sealed(requestToken()), undefined);
    expect(outcome).toBe('refused');
    expect(claims?.nats).toEqual({ error: 'not admitted', type: 'authorization_response', version: 2 });
  });

  it.each([
    ['in the clear', () => utf8(requestToken())],
    ['sealed to somebody else', () => serverXkey.seal(utf8(requestToken()), createCurve().getPublicKey())],
    ['not signed by the server it names', () => sealed(requestToken({ signer: nkey(createServer()) }))],
    ['by a user key instead of a server', () => sealed(requestToken({ iss: user.publicKey, signer: user }))],
    [
      'with another xkey than it was sealed with',
      () => sealed(requestToken({ nats: { server_id: { id: server.publicKey, xkey: 'X' } } })),
    ],
    ['that is no JWT', () => sealed('a.b.c')],
    ['of another type', () => sealed(requestToken({ nats: { type: 'user' } }))],
  ])('takes no request %s', async (_what, data) => {
    const { outcome, asked, claims } = await knock(data(), admission);
    expect([outcome, asked, claims]).toEqual(['malformed', [], undefined]);
  });
});

describe('isSignedBy', () => {
  it('agrees with the nkey library, and refuses every change', () => {
    const key = nkey(createUser());
    const signature = toBase64Url(key.sign(utf8('bytes')));
    expect(isSignedBy(key.publicKey, utf8('bytes'), signature)).toBe(true);
    expect(isSignedBy(key.publicKey, utf8('bytes'), `${signature}==`)).toBe(true);
    expect(isSignedBy(key.publicKey, utf8('other'), signature)).toBe(false);
    expect(isSignedBy(nkey(createUser()).publicKey, utf8('bytes'), signature)).toBe(false);
    const other = key.publicKey.endsWith('A') ? 'B' : 'A';
    expect(isSignedBy(`${key.publicKey.slice(0, -1)}${other}`, utf8('bytes'), signature)).toBe(false);
    expect(isSignedBy('U', utf8('bytes'), signature)).toBe(false);
    expect(isSignedBy(key.publicKey, utf8('bytes'), '')).toBe(false);
  });
});
