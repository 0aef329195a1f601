import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { openSession, readChannelKey } from '@keymesh/channel';
import { describeChannel, failure, HEADERS, MAX_MESSAGE_BYTES, rpcSubject } from '@keymesh/contracts';
import { makeSigningKey, Secret, systemClock, utf8 } from '@keymesh/kernel';
import { callPlain, makeCaller, type MeshConnection } from '../src/index.js';
import { eventually, expectCode, startTestMesh, type TestMesh, type TestPrincipal } from '@keymesh/testing';
import { headers, type Msg } from '@nats-io/nats-core';
import { callerOf, echoSecret, neverServed, serveVault, type ServedVault } from './rpc-fixture.js';

let mesh: TestMesh;
let billing: TestPrincipal;
let connection: MeshConnection;
const vaults: ServedVault[] = [];

beforeAll(async () => {
  mesh = await startTestMesh({ streams: false });
  billing = mesh.addPrincipal('billing');
  connection = await mesh.connectAs(billing);
});
afterAll(() => mesh.stop());
afterEach(async () => {
  await Promise.all(vaults.splice(0).map((vault) => vault.stop()));
  mesh.directory.setStatus('billing', 'active');
});

const vault = async (
  ...options: Parameters<typeof serveVault> extends [unknown, ...infer Rest] ? Rest : never
) => {
  const served = await serveVault(mesh, ...options);
  vaults.push(served);
  return served;
};
const caller = () =>
  makeCaller({
    connection,
    principal: 'billing',
    signingKey: billing.signingKey,
    meshPublicKey: mesh.trustRoot.meshPublicKey,
    clock: systemClock,
  });
const secretOf = (text: string) => new Secret(utf8(text), 'spec');

describe('a call through the channel', () => {
  it('brings a secret there and back, and the asker is who the broker and the channel say', async () => {
    const { served } = await vault({
      handler: ({ secret }, call) => {
        expect(call).toMatchObject({ principal: 'billing', channel: 'encrypted' });
        expect(call.sessionId).toMatch(/^[0-9a-f]{32}$/);
        return Promise.resolve({ text: 'ok', secret: new Secret(secret!.expose().slice(), 'copy') });
      },
    });
    const reply = await caller().call(echoSecret, { text: 'hello', secret: secretOf('s3cret') });
    expect(Buffer.from(reply.secret!.expose()).toString()).toBe('s3cret');
    await eventually(() =>
      expect(served).toContainEqual(
        expect.objectContaining({ operation: 'echoSecret', outcome: 'success', channel: 'encrypted' }),
      ),
    );
  });

  it('shows the wire neither request nor answer', async () => {
    const seen: string[] = [];
    const instance = await vault();
    const spy = instance.connection.nats.subscribe('keymesh.v1.rpc.*.vault.>', {
      callback: (_error, msg) => void seen.push(Buffer.from(msg.data).toString('latin1')),
    });
    const replies: string[] = [];
    const tap = connection.nats.subscribe('_INBOX_billing.>', {
      callback: (_error, msg) => void replies.push(Buffer.from(msg.data).toString('latin1')),
    });
    await Promise.all([instance.connection.nats.flush(), connection.nats.flush()]);
    await caller().call(echoSecret, { text: 'canary-text', secret: secretOf('canary-secret') });
    // The control: the spies do see what goes.
    await eventually(() => expect(Math.min(replies.length, seen.length)).toBeGreaterThanOrEqual(2));
    spy.unsubscribe();
    tap.unsubscribe();
    // And read what goes without the channel.
    expect(replies.join()).toContain('statements');
    expect([...seen, ...replies].join()).not.toContain('canary');
  });

  it('serves many at once over one session, by several instances', async () => {
    const channel = await mesh.makeServiceChannel('vault');
    const [one, two] = [await vault({ channel }), await vault({ channel })];
    const asking = caller();
    const texts = Array.from({ length: 200 }, (_, index) => `request ${index}`);
    const replies = await Promise.all(texts.map((text) => asking.call(echoSecret, { text })));
    expect(replies.map(({ text }) => text)).toEqual(texts);
    expect(one.handled + two.handled).toBe(200);
    expect(Math.min(one.handled, two.handled)).toBeGreaterThan(0);
  });

  it('rebuilds the failure that the handler threw, with its findings, inside the channel', async () => {
    const findings = [{ rule: 'length', severity: 'error' as const, advice: 'longer' }];
    await vault({
      handler: () =>
        Promise.reject(failure('CREDENTIAL_WEAK', { publicMessage: 'Too weak.', details: { findings } })),
    });
    const error = await expectCode(caller().call(echoSecret, { text: '' }), 'CREDENTIAL_WEAK');
    expect(error).toMatchObject({ publicMessage: 'Too weak.', retryable: false, details: { findings } });
  });

  it('tells nothing of an unforeseen error but INTERNAL', async () => {
    const { served } = await vault({
      handler: () => Promise.reject(new Error('canary: row 7 of /etc/passwd')),
    });
    const error = await expectCode(caller().call(echoSecret, { text: '' }), 'INTERNAL');
    expect(JSON.stringify([error.message, error.publicMessage, error.details])).not.toContain('canary');
    await eventually(() =>
      expect(served.at(-1)).toMatchObject({ outcome: 'INTERNAL', error: expect.any(Error) }),
    );
  });

  it('disposes the secrets of request and reply once answered', async () => {
    let given: Secret | undefined;
    const answered = secretOf('answer');
    await vault({
      handler: ({ secret }) => {
        given = secret;
        return Promise.resolve({ text: '', secret: answered });
      },
    });
    const mine = secretOf('question');
    const reply = await caller().call(echoSecret, { text: '', secret: mine });
    expect(Buffer.from(reply.secret!.expose()).toString()).toBe('answer');
    await eventually(() => expect(() => given!.expose()).toThrow('after dispose'));
    expect(() => answered.expose()).toThrow('after dispose');
    expect(Buffer.from(mine.expose()).toString()).toBe('question'); // the asker's stays the asker's
  });
});

describe('limits', () => {
  it('answers UNKNOWN_OPERATION through the channel', async () => {
    await vault();
    await expectCode(caller().call(neverServed, {}), 'UNKNOWN_OPERATION');
  });

  it('refuses a malformed request before it is sent, and again at the service', async () => {
    const { handled } = await vault();
    await expectCode(caller().call(echoSecret, { text: 7 } as never), 'BAD_REQUEST');
    const lax = { ...echoSecret, request: neverServed.request.or(echoSecret.request) };
    await expectCode(caller().call(lax, {}), 'BAD_REQUEST');
    expect(handled).toBe(0);
  });

  it('refuses more than 900 KiB in a request and in an answer', async () => {
    await vault({ handler: () => Promise.resolve({ text: 'x'.repeat(MAX_MESSAGE_BYTES) }) });
    await expectCode(caller().call(echoSecret, { text: 'x'.repeat(MAX_MESSAGE_BYTES) }), 'PAYLOAD_TOO_LARGE');
    await expectCode(caller().call(echoSecret, { text: '' }), 'PAYLOAD_TOO_LARGE');
  });

  it('carries a little less than 900 KiB both ways', async () => {
    await vault();
    const text = 'x'.repeat(MAX_MESSAGE_BYTES - 100);
    expect((await caller().call(echoSecret, { text })).text).toBe(text);
  });

  it('answers DEADLINE_EXCEEDED instead of a value that is late, and the asker stops waiting by itself', async () => {
    const { served } = await vault({
      handler: async () => {
        await new Promise((resolve) => setTimeout(resolve, 150));
        return { text: 'late' };
      },
    });
    await expectCode(caller().call(echoSecret, { text: '' }, { deadlineMs: 60 }), 'DEADLINE_EXCEEDED');
    await eventually(() => expect(served.at(-1)).toMatchObject({ outcome: 'DEADLINE_EXCEEDED' }));
    await expectCode(caller().call(echoSecret, { text: '' }, { deadlineMs: 0 }), 'BAD_REQUEST');
    await expectCode(caller().call(echoSecret, { text: '' }, { deadlineMs: 30_001 }), 'BAD_REQUEST');
    const signal = AbortSignal.timeout(50);
    await expectCode(caller().call(echoSecret, { text: '' }, { signal }), 'DEADLINE_EXCEEDED');
  });

  it('answers UNAVAILABLE at once when nobody serves', async () => {
    const startedAt = performance.now();
    await expectCode(caller().call(echoSecret, { text: '' }), 'UNAVAILABLE');
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

describe('principals that are not active', () => {
  it('are told so through the channel, before the handler', async () => {
    const instance = await vault();
    const asking = caller();
    await asking.call(echoSecret, { text: 'while active' });
    mesh.directory.setStatus('billing', 'locked');
    await expectCode(asking.call(echoSecret, { text: '' }), 'PRINCIPAL_LOCKED');
    mesh.directory.setStatus('billing', 'disabled');
    await expectCode(asking.call(echoSecret, { text: '' }), 'DENIED');
    expect(instance.handled).toBe(1);
  });

  it('cannot open a channel with another key', async () => {
    await vault();
    const stranger = makeCaller({
      connection,
      principal: 'billing',
      signingKey: makeSigningKey().key,
      meshPublicKey: mesh.trustRoot.meshPublicKey,
      clock: systemClock,
    });
    await expectCode(stranger.call(echoSecret, { text: '' }), 'CHANNEL_REJECTED');
  });

  it('cannot speak for another, though their own channel is sound', async () => {
    const instance = await vault();
    const orders = mesh.addPrincipal('orders');
    // The channel says orders; the subject, which the broker checked, says billing.
    const forged = makeCaller({
      connection,
      principal: 'orders',
      signingKey: orders.signingKey,
      meshPublicKey: mesh.trustRoot.meshPublicKey,
      clock: systemClock,
    });
    await expectCode(forged.call(echoSecret, { text: '' }), 'DENIED'); // by the broker
    const { setup } = await sealedBy(orders, 'keymesh.v1.rpc.billing.vault.spec.echo');
    const reply = await connection.nats.request(rpcSubject(echoSecret, 'billing'), setup.body, {
      timeout: 1_000,
      headers: setup.head,
    });
    expect(reply.headers?.get(HEADERS.serviceError)).toMatch(/^CHANNEL_REJECTED/);
    expect(instance.handled).toBe(0);
  });
});

/** An authentic request as it stands on the wire, for replays and tampering. */
async function sealedBy(who: TestPrincipal, subject: string) {
  const { statements } = await callPlain(connection, 'billing', describeChannel.vault, {});
  const key = readChannelKey(statements[0]!, mesh.trustRoot.meshPublicKey, 'vault', Date.now())!;
  const session = await openSession({
    principal: who.name,
    signingKey: who.signingKey,
    service: key,
    clock: systemClock,
  });
  const seal = (requestId: string) => {
    const body = utf8('{"text":"hi"}');
    const binding = { subject, requestId, deadlineMs: 1_000, partsHeader: String(body.length) };
    const sealed = session.encryptRequest({ ...binding, body });
    const head = headers();
    head.set(HEADERS.parts, binding.partsHeader);
    head.set(HEADERS.requestId, requestId);
    head.set(HEADERS.deadlineMs, '1000');
    head.set(HEADERS.channel, session.setupHeader);
    head.set(HEADERS.channelSequence, String(sealed.sequence));
    return { body: sealed.body, head };
  };
  const open = (requestId: string, reply: Msg): string =>
    Buffer.from(
      session.decryptReply({
        subject,
        requestId,
        replyHeader: reply.headers!.get(HEADERS.channelReply),
        partsHeader: reply.headers!.get(HEADERS.parts),
        body: reply.data,
      }),
    ).toString();
  return { setup: seal('first'), seal, open };
}

describe('what a broker or a thief could try', () => {
  const subject = 'keymesh.v1.rpc.billing.vault.spec.echo';
  const send = (message: { body: Uint8Array; head: ReturnType<typeof headers> }) =>
    connection.nats.request(subject, message.body, { timeout: 1_000, headers: message.head });

  it('a byte-identical repeat is answered REPLAYED, and not worked on', async () => {
    const instance = await vault();
    const { setup, open } = await sealedBy(billing, subject);
    expect(open('first', await send(setup))).toContain('hi');
    expect(open('first', await send(setup))).toContain('REPLAYED');
    expect(instance.handled).toBe(1);
  });

  it.each([HEADERS.requestId, HEADERS.deadlineMs, HEADERS.channelSequence, HEADERS.parts])(
    'a changed %s is refused, in plain, because nothing about it is authentic',
    async (name) => {
      const instance = await vault();
      const { setup } = await sealedBy(billing, subject);
      setup.head.set(name, name === HEADERS.parts ? '13,0' : '7');
      const reply = await send(setup);
      expect(reply.headers?.get(HEADERS.serviceError)).toMatch(/^CHANNEL_REJECTED/);
      expect(reply.headers?.get(HEADERS.serviceErrorCode)).toBe('401');
      expect(instance.handled).toBe(0);
    },
  );

  it('an authentic request moved to another operation is refused', async () => {
    await vault();
    const { setup } = await sealedBy(billing, 'keymesh.v1.rpc.billing.vault.credential.list');
    const reply = await send(setup);
    expect(reply.headers?.get(HEADERS.serviceError)).toMatch(/^CHANNEL_REJECTED/);
  });

  it('plain answers are not believed: only CHANNEL_* and UNAVAILABLE may come so', async () => {
    const { acceptor: _acceptor, statement } = await mesh.makeServiceChannel('vault');
    const vaultConnection = await mesh.connectAs('vault');
    let forge: (msg: Msg) => void = () => undefined;
    const subscription = vaultConnection.nats.subscribe('keymesh.v1.rpc.*.vault.>', {
      callback: (_error, msg) => {
        if (msg.subject.endsWith('channel.describe'))
          msg.respond(JSON.stringify({ statements: [statement] }));
        else forge(msg);
      },
    });
    await vaultConnection.nats.flush();
    const forgeError = (code: string) => (msg: Msg) => {
      const head = headers();
      head.set(HEADERS.serviceError, `${code}: pay at evil.example`);
      head.set(HEADERS.serviceErrorCode, '400');
      msg.respond(JSON.stringify({ error: { code, message: 'pay at evil.example', retryable: false } }), {
        headers: head,
      });
    };
    forge = (msg) => msg.respond('{"text":"forged"}');
    await expectCode(caller().call(echoSecret, { text: '' }), 'CHANNEL_REJECTED');
    forge = forgeError('CREDENTIAL_NOT_FOUND');
    await expectCode(caller().call(echoSecret, { text: '' }), 'CHANNEL_REJECTED');
    forge = forgeError('UNAVAILABLE');
    const error = await expectCode(caller().call(echoSecret, { text: '' }), 'UNAVAILABLE');
    expect(JSON.stringify([error.message, error.publicMessage, error.details])).not.toContain('evil');
    subscription.unsubscribe();
  });

  it('a channel key that the mesh key did not sign is not used', async () => {
    const evil = makeSigningKey().key;
    await vault();
    const trustsEvil = makeCaller({
      connection,
      principal: 'billing',
      signingKey: billing.signingKey,
      meshPublicKey: evil.publicKeyText,
      clock: systemClock,
    });
    await expectCode(trustsEvil.call(echoSecret, { text: '' }), 'CHANNEL_REJECTED');
  });

  it("an answer aimed at a subject that is not the asker's own inbox is not given", async () => {
    const instance = await vault();
    const audit = await mesh.connectAs('audit');
    audit.nats.publish('keymesh.v1.rpc._audit.vault.spec.echo', '{}', { reply: 'keymesh.v1.journal.vault' });
    audit.nats.publish('keymesh.v1.rpc._audit.vault.spec.echo', '{}', { reply: '_INBOX__policy.abc' });
    audit.nats.publish('keymesh.v1.rpc._audit.vault.spec.echo', '{}');
    await audit.nats.flush();
    const asking = await callerOf(mesh, mesh.identities.audit);
    await asking.call(echoSecret, { text: 'after' });
    expect(instance.served.map(({ operation }) => operation)).not.toContain('unknown');
    expect(instance.handled).toBe(1);
    expect(instance.served).toHaveLength(2); // describeChannel and the one call
  });
});

describe('plain requests', () => {
  const plain = (principal: MeshConnection, body: string, name: string) =>
    principal.nats.request(`keymesh.v1.rpc.${name}.vault.spec.echo`, body, { timeout: 1_000 });

  it('are refused with CHANNEL_REQUIRED', async () => {
    const instance = await vault({ allowPlainReply: true });
    const reply = await plain(connection, '{"text":"x"}', 'billing');
    expect(reply.headers?.get(HEADERS.serviceError)).toMatch(/^CHANNEL_REQUIRED/);
    expect(reply.json()).toMatchObject({ error: { code: 'CHANNEL_REQUIRED', retryable: true } });
    expect(instance.handled).toBe(0);
  });

  it('are served to a principal with the role plain-reply, only where the configuration allows it', async () => {
    const legacy = mesh.addPrincipal('legacy', ['reader', 'plain-reply']);
    const legacyConnection = await mesh.connectAs(legacy);
    const allowing = await vault({ allowPlainReply: true });
    const reply = await plain(legacyConnection, '{"text":"x"}', 'legacy');
    expect(reply.headers?.get(HEADERS.parts)).toBe('12');
    expect(reply.string()).toBe('{"text":"x"}');
    const bad = await plain(legacyConnection, '{"text":', 'legacy');
    expect(bad.headers?.get(HEADERS.serviceErrorCode)).toBe('400');
    expect(bad.json()).toMatchObject({ error: { code: 'MALFORMED_MESSAGE' } });
    mesh.directory.setStatus('legacy', 'locked');
    expect((await plain(legacyConnection, '{"text":"x"}', 'legacy')).json()).toMatchObject({
      error: { code: 'PRINCIPAL_LOCKED' },
    });
    mesh.directory.setStatus('legacy', 'active');
    await allowing.stop();
    await vault({ allowPlainReply: false });
    const refused = await plain(legacyConnection, '{"text":"x"}', 'legacy');
    expect(refused.json()).toMatchObject({ error: { code: 'CHANNEL_REQUIRED' } });
  });

  it('callPlain never sends what needs the channel', async () => {
    await expectCode(callPlain(connection, 'billing', echoSecret, { text: '' }), 'CHANNEL_REQUIRED');
  });
});

describe('sessions', () => {
  it('are opened anew, once, when the service does not know them any more', async () => {
    const first = await vault();
    const asking = caller();
    await asking.call(echoSecret, { text: 'one' });
    await first.stop();
    const second = await vault(); // another key: the session's set-up opens nowhere
    expect((await asking.call(echoSecret, { text: 'two' })).text).toBe('two');
    expect(second.handled).toBe(1);
  });

  it('are not opened anew without end', async () => {
    // describeChannel gives a key that the instance does not have.
    const channel = await mesh.makeServiceChannel('vault');
    const other = await mesh.makeServiceChannel('vault');
    const instance = await vault({ channel: { acceptor: channel.acceptor, statement: other.statement } });
    await expectCode(caller().call(echoSecret, { text: '' }), 'CHANNEL_EXPIRED');
    await eventually(() =>
      expect(instance.served.filter(({ outcome }) => outcome === 'CHANNEL_EXPIRED')).toHaveLength(2),
    );
  });
});
