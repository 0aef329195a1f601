import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { makeChannelKeyPair, openSession, readChannelKey, signChannelKey } from '@keymesh/channel';
import { connect, type Keymesh, type Profile } from '@keymesh/client';
import {
  credentialHistory,
  describeChannel,
  decodeFrame,
  describeCredential,
  disablePrincipal,
  encodeFrame,
  EVENTS,
  HEADERS,
  partsHeader,
  retrieveCredential,
  rpcSubject,
  storeCredential,
  subjects,
  type RpcContract,
} from '@keymesh/contracts';
import {
  fromBase64Url,
  HOUR,
  makeSigningKey,
  Secret,
  signingKeyOf,
  systemClock,
  utf8,
} from '@keymesh/kernel';
import {
  callPlain,
  encodePack,
  getPolicyBundle,
  nkeyPairOf,
  putPolicyBundle,
  signEvents,
} from '@keymesh/mesh';
import { eventually, expectCode } from '@keymesh/testing';
import { fromPublic } from '@nats-io/nkeys';
import { Codec } from '@nats-io/nkeys/lib/codec.js';
import { headers, type Msg } from '@nats-io/transport-node';
import { readLog } from './support/audit-log.js';
import { becomeBrokerAdmin, type BrokerAdmin } from './support/broker-admin.js';
import {
  headersOf,
  startBrokerProxy,
  withHeaders,
  type BrokerProxy,
  type CrossingMessage,
} from './support/broker-proxy.js';
import { findMarkers, formsOf, makeMarker } from './support/canary.js';
import { openMeshDatabase, type MeshDatabase } from './support/database.js';
import { killPart, meshStatus, recovered } from './support/kill.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';
import { startSecondVault } from './support/second-vault.js';
import { codeOf, connectWire, plainRequest, type WireClient, type WireRequest } from './support/wire.js';

// Promise 2 of DESIGN.md against whoever owns the NATS server: a proxy on one client's wire, and a user of the services' account whom nothing is forbidden.
// Beside each attack stands the same tool used where nothing protects: it works there, so that a spec without effect would show.
const run = randomBytes(3).toString('hex');
const [NAME_MARKER, MARKER] = [makeMarker(), makeMarker()];
const NAME = `hostile-broker/${NAME_MARKER}`;
const OTHER = `hostile-broker/other-${run}`;
const LONG = 60_000;
const PATIENT = { deadlineMs: 20_000 };
jest.setTimeout(LONG);

let mesh: RunningMesh;
let operator: Keymesh;
let operatorProfile: Profile;
let database: MeshDatabase;
let admin: BrokerAdmin;
let proxy: BrokerProxy;
let victimProfile: Profile;
let plainProfile: Profile;
let victim: Keymesh;
let wire: WireClient;
let plain: WireClient;

beforeAll(async () => {
  mesh = await startMesh();
  const first = await connectOperator(mesh);
  operator = first.keymesh;
  operatorProfile = first.profile;
  victimProfile = await enrolAs(mesh, first, `victim-${run}`, ['writer']);
  plainProfile = await enrolAs(mesh, first, `plain-${run}`, ['reader', 'plain-reply']);
  await operator.credentials.store({ name: NAME, type: 'api_key', value: MARKER });
  await operator.credentials.store({ name: OTHER, type: 'api_key', value: makeMarker() });
  database = await openMeshDatabase(mesh);
  admin = await becomeBrokerAdmin(mesh);
  proxy = await startBrokerProxy(mesh.natsUrl);
  victim = await connect({ profile: { ...victimProfile, natsUrl: proxy.url } });
  wire = await connectWire({ ...victimProfile, natsUrl: proxy.url });
  plain = await connectWire({ ...plainProfile, natsUrl: proxy.url });
}, 420_000);
afterAll(async () => {
  await Promise.all([victim, wire, plain, operator].map((client) => client.close()));
  await admin.close();
  await proxy.close();
  await mesh[Symbol.asyncDispose]();
}, 120_000);

const retrieve = async (name = NAME, from = victim): Promise<string> => {
  using credential = await from.credentials.retrieve(name, PATIENT);
  return credential.text();
};
const metadataOf = (name: string) => operator.call(describeCredential, { name }, PATIENT);
const valueOf = (name: string): Promise<string> => retrieve(name, operator);
const versionsOf = async (name: string): Promise<number> =>
  (await operator.call(credentialHistory, { name }, PATIENT)).versions.length;
const incidents = async (kind: string): Promise<number> => {
  const { rows } = await database.admin(
    `SELECT count(*)::int AS n FROM audit.incident WHERE kind = '${kind}'`,
    'keymesh',
  );
  return (rows as { n: number }[])[0]?.n ?? 0;
};
const isFor = ({ subject }: Pick<CrossingMessage, 'subject'>, contract: RpcContract): boolean =>
  subject.endsWith(`.${contract.service}.${contract.noun}.${contract.verb}`);

/** Puts a request on the services' side of the bus, in the name of whoever its subject names, and waits for what is answered. */
async function askAsBroker(
  request: Pick<WireRequest, 'subject' | 'head' | 'body'>,
  timeoutMs = 15_000,
): Promise<Msg> {
  const inbox = `${subjects.inboxPrefix(request.subject.split('.')[3] ?? '')}.${randomBytes(8).toString('hex')}`;
  const answer = new Promise<Msg>((resolve, reject) => {
    admin.nats.subscribe(inbox, {
      max: 1,
      timeout: timeoutMs,
      callback: (error, msg) => (error === null ? resolve(msg) : reject(error)),
    });
  });
  admin.nats.publish(request.subject, request.body, { headers: request.head, reply: inbox });
  return answer;
}
const refusalOf = (reply: Msg): string => reply.headers?.get(HEADERS.serviceError).split(':')[0] ?? '';

/** A request of a session of its own, as whoever has this channel key, whatever it claims to be; and what an answer to it says. */
async function sealed(
  principal: string,
  channelSeed: Uint8Array,
): Promise<WireRequest & { codeIn(reply: Msg): string }> {
  const { statements } = await callPlain(
    wire.connection,
    wire.profile.principal,
    describeChannel.vault,
    {},
    PATIENT,
  );
  const service = readChannelKey(statements[0] ?? '', victimProfile.meshPublicKey, 'vault', Date.now());
  if (service === undefined) throw new Error('no channel key');
  const signingKey = signingKeyOf(new Secret(channelSeed, 'spec'));
  const session = await openSession({ principal, signingKey, service, clock: systemClock });
  const subject = rpcSubject(describeCredential, principal);
  const frame = encodeFrame({ name: NAME });
  const [requestId, parts] = [randomUUID(), partsHeader(frame)];
  const binding = { subject, requestId, deadlineMs: PATIENT.deadlineMs, partsHeader: parts };
  const { sequence, body } = session.encryptRequest({ ...binding, body: frame.body });
  const head = headers();
  head.set(HEADERS.parts, parts);
  head.set(HEADERS.requestId, requestId);
  head.set(HEADERS.deadlineMs, String(PATIENT.deadlineMs));
  head.set(HEADERS.channel, session.setupHeader);
  head.set(HEADERS.channelSequence, String(sequence));
  const codeIn = (reply: Msg): string => {
    const replyHeader = reply.headers?.get(HEADERS.channelReply) ?? '';
    if (replyHeader === '') return refusalOf(reply);
    const answered = reply.headers?.get(HEADERS.parts) ?? '';
    const opened = session.decryptReply({
      subject,
      requestId,
      replyHeader,
      partsHeader: answered,
      body: reply.data,
    });
    return codeOf({ message: decodeFrame(answered, opened) });
  };
  return { subject, requestId, head, body, codeIn };
}

/** Names and values of a message's headers. */
const headBytes = ({ headers: head }: Msg): Buffer =>
  Buffer.from((head?.keys() ?? []).map((name) => `${name}: ${head?.get(name) ?? ''}`).join('\n'));

/** The wire's own answers to one operation go through `change`. */
function meddleWithAnswers(
  contract: RpcContract,
  change: (answer: CrossingMessage, deliver: (message: CrossingMessage) => void) => void,
): void {
  const asked = new Set<string | undefined>();
  proxy.meddle((message, deliver) => {
    if (message.direction === 'up') {
      if (isFor(message, contract)) asked.add(message.reply);
      deliver(message);
    } else if (asked.has(message.subject)) change(message, deliver);
    else deliver(message);
  });
}
const forgedAnswer = (
  answer: CrossingMessage,
  json: object,
  head: Readonly<Record<string, string>> = {},
): CrossingMessage => {
  const frame = encodeFrame(json);
  return {
    ...answer,
    head: withHeaders(
      { head: Buffer.from('NATS/1.0\r\n\r\n') },
      { [HEADERS.parts]: partsHeader(frame), ...head },
    ),
    body: Buffer.from(frame.body),
  };
};
const forgedError = (answer: CrossingMessage, code: string): CrossingMessage =>
  forgedAnswer(
    answer,
    { error: { code, message: 'said the broker', retryable: false } },
    {
      [HEADERS.serviceError]: `${code}: said the broker`,
      [HEADERS.serviceErrorCode]: '404',
    },
  );

describe('whoever owns the broker reads nothing', () => {
  it('neither value nor name, on the wire or inside', async () => {
    expect(await retrieve()).toBe(MARKER);
    const markers = { value: formsOf(MARKER), name: formsOf(NAME_MARKER) };
    const inside = (isTaken: (msg: Msg) => boolean): Buffer =>
      Buffer.concat(admin.heard.filter(isTaken).flatMap((msg) => [Buffer.from(msg.data), headBytes(msg)]));
    // Beside its record a name stands readable in the journal (it can be erased there): metadata, and never a value.
    const isJournal = ({ subject }: Msg): boolean => subject === subjects.journal('vault');
    expect(findMarkers(proxy.seen(), markers)).toEqual([]);
    expect(
      findMarkers(
        inside((msg) => !isJournal(msg)),
        markers,
      ),
    ).toEqual([]);
    expect(findMarkers(inside(isJournal), { value: markers.value })).toEqual([]);
    // Both see the request, and what is asked plainly they read.
    expect(
      admin.heard.some(({ subject }) => subject === rpcSubject(retrieveCredential, victimProfile.principal)),
    ).toBe(true);
    await plain.ask(plainRequest(retrieveCredential, plainProfile.principal, { name: NAME }));
    for (const seen of [proxy.seen(), inside((msg) => !isJournal(msg))])
      expect(findMarkers(seen, markers)).toEqual(expect.arrayContaining(['value (plain)', 'name (plain)']));
  });
});

describe('it becomes nobody', () => {
  it('by choosing what an nkey signs: that signature opens no session', async () => {
    const nonce = 'keymesh/v1/channel-setup, chosen by the broker';
    proxy.chooseNonce(nonce);
    await connect({ profile: { ...victimProfile, natsUrl: proxy.url } }).catch(() => undefined);
    proxy.chooseNonce(undefined);
    // The victim did sign it …
    const login = proxy.logins.at(-1) as { nkey: string; sig: string };
    const signature = fromBase64Url(login.sig) ?? new Uint8Array();
    expect(login.nkey).toBe(nkeyPairOf(Secret.fromText(victimProfile.nkeySeed, 'spec')).publicKey);
    expect(fromPublic(login.nkey).verify(utf8(nonce), signature)).toBe(true);
    // … so the broker may have signed whatever it likes: as if it had that key. It is not the one that counts.
    const { buf } = Codec.decodeSeed(utf8(victimProfile.nkeySeed));
    const forged = await askAsBroker(await sealed(victimProfile.principal, Uint8Array.from(buf)));
    expect(refusalOf(forged)).toBe('CHANNEL_REJECTED');
    // The tool works with the key that does count.
    const seed = fromBase64Url(victimProfile.channelSeed) ?? new Uint8Array();
    const real = await askAsBroker(await sealed(victimProfile.principal, seed));
    expect(real.headers?.get(HEADERS.channelReply)).not.toBe('');
  });

  it('by naming somebody: an operator, or a service of the mesh', async () => {
    const { seed } = makeSigningKey();
    // EXPOSE: a key that nobody enrolled, made for this spec.
    const own = (): Uint8Array => Uint8Array.from(seed.expose());
    for (const principal of ['operator', '_rotation', victimProfile.principal]) {
      const request = await sealed(principal, own());
      expect(refusalOf(await askAsBroker(request))).toBe('CHANNEL_REJECTED');
      const unprotected = plainRequest(retrieveCredential, principal, { name: NAME });
      expect(refusalOf(await askAsBroker(unprotected))).toBe('CHANNEL_REQUIRED');
    }
    // Where no channel is asked for, the name on the subject is all there is.
    const plainly = await askAsBroker(
      plainRequest(retrieveCredential, plainProfile.principal, { name: NAME }),
    );
    expect(Buffer.from(plainly.data).includes(MARKER)).toBe(true);
  });

  it("by putting another's set-up, or a changed one, before a request", async () => {
    const accomplice = await sealed(
      plainProfile.principal,
      fromBase64Url(plainProfile.channelSeed) ?? new Uint8Array(),
    );
    const moved = {
      ...accomplice,
      subject: accomplice.subject.replace(plainProfile.principal, victimProfile.principal),
    };
    expect(refusalOf(await askAsBroker(moved))).toBe('CHANNEL_REJECTED');
    const request = wire.seal(describeCredential, { name: NAME }, PATIENT);
    const setup = fromBase64Url(request.head.get(HEADERS.channel)) ?? new Uint8Array();
    for (const at of [10, setup.length - 150, setup.length - 70, setup.length - 1]) {
      const changed = Uint8Array.from(setup);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const head = headers();
      for (const name of request.head.keys()) head.set(name, request.head.get(name));
      head.set(HEADERS.channel, Buffer.from(changed).toString('base64url'));
      expect(refusalOf(await askAsBroker({ ...request, head }))).toMatch(/^CHANNEL_(REJECTED|EXPIRED)$/);
    }
    expect(codeOf(wire.read(request, await wire.ask(request)))).toBe('none');
  });

  it("by giving its own key for the service's", async () => {
    const { key } = makeSigningKey();
    const { publicKey } = await makeChannelKeyPair();
    const notBefore = Date.now();
    const mine = signChannelKey({ service: 'vault', publicKey, notBefore, notAfter: notBefore + HOUR }, key);
    const { statements } = await callPlain(
      wire.connection,
      wire.profile.principal,
      describeChannel.audit,
      {},
      PATIENT,
    );
    for (const statement of [mine, statements[0] ?? '']) {
      meddleWithAnswers(describeChannel.vault, (answer, deliver) =>
        deliver(forgedAnswer(answer, { statements: [statement] })),
      );
      const crossed = proxy.messages.length;
      const fresh = await connect({ profile: { ...victimProfile, natsUrl: proxy.url } });
      await expectCode(fresh.credentials.retrieve(NAME, PATIENT), 'CHANNEL_REJECTED');
      await fresh.close();
      expect(proxy.messages.slice(crossed).filter((message) => isFor(message, retrieveCredential))).toEqual(
        [],
      );
      // Somebody who checks nothing takes it.
      const believed = await callPlain(
        wire.connection,
        wire.profile.principal,
        describeChannel.vault,
        {},
        PATIENT,
      );
      expect(believed.statements).toEqual([statement]);
      proxy.meddle(undefined);
    }
  });
});

describe('it changes no answer', () => {
  it('by reordering requests', async () => {
    const held: (() => void)[] = [];
    proxy.meddle((message, deliver) => {
      if (message.direction === 'up' && isFor(message, retrieveCredential)) held.push(() => deliver(message));
      else deliver(message);
      if (held.length === 2) for (const go of held.splice(0).reverse()) go();
    });
    const from = admin.heard.length;
    const answers = await Promise.all([retrieve(NAME), retrieve(OTHER)]);
    proxy.meddle(undefined);
    expect(answers).toEqual([MARKER, await valueOf(OTHER)]);
    const sequences = admin.heard
      .slice(from)
      .filter((message) => message.subject === rpcSubject(retrieveCredential, victimProfile.principal))
      .map((message) => Number(message.headers?.get(HEADERS.channelSequence)));
    expect(sequences[0]).toBeGreaterThan(sequences[1] ?? Infinity); // they did arrive the other way round
  });

  it('by crossing two answers', async () => {
    const cross = (): void => {
      const held: { answer: CrossingMessage; deliver: (message: CrossingMessage) => void }[] = [];
      meddleWithAnswers(retrieveCredential, (answer, deliver) => {
        held.push({ answer, deliver });
        const [one, two] = held;
        if (one === undefined || two === undefined) return;
        one.deliver({ ...one.answer, head: two.answer.head, body: two.answer.body });
        two.deliver({ ...two.answer, head: one.answer.head, body: one.answer.body });
      });
    };
    cross();
    await Promise.all([
      expectCode(retrieve(NAME), 'CHANNEL_REJECTED'),
      expectCode(retrieve(OTHER), 'CHANNEL_REJECTED'),
    ]);
    // Plain clients get each other's.
    cross();
    const ask = async (name: string): Promise<boolean> =>
      Buffer.from(
        (await plain.ask(plainRequest(retrieveCredential, plainProfile.principal, { name }))).data,
      ).includes(MARKER);
    expect(await Promise.all([ask(NAME), ask(OTHER)])).toEqual([false, true]);
    proxy.meddle(undefined);
  });

  it.each([
    ['a value of its own', (answer: CrossingMessage) => forgedAnswer(answer, { values: { value: 'mine' } })],
    ['an error', (answer: CrossingMessage) => forgedError(answer, 'CREDENTIAL_NOT_FOUND')],
    ['a refusal by policy', (answer: CrossingMessage) => forgedError(answer, 'DENIED')],
    ['one bit of the real one', (answer: CrossingMessage) => ({ ...answer, body: flipped(answer.body) })],
    ['the real one cut short', (answer: CrossingMessage) => ({ ...answer, body: answer.body.subarray(1) })],
    [
      'the real one with other parts',
      (answer: CrossingMessage) => ({
        ...answer,
        head: withHeaders(answer, { [HEADERS.parts]: `${headersOf(answer).get(HEADERS.parts) ?? ''},0` }),
      }),
    ],
    [
      'the real one under another counter',
      (answer: CrossingMessage) => ({
        ...answer,
        head: withHeaders(answer, {
          [HEADERS.channelReply]: `${headersOf(answer).get(HEADERS.channelReply) ?? ''}0`,
        }),
      }),
    ],
  ])('by answering with %s', async (_what, change) => {
    meddleWithAnswers(retrieveCredential, (answer, deliver) => deliver(change(answer)));
    await expectCode(retrieve(), 'CHANNEL_REJECTED');
    proxy.meddle(undefined);
    expect(await retrieve()).toBe(MARKER);
  });

  it('though whoever has no channel believes a forged answer (the control)', async () => {
    meddleWithAnswers(retrieveCredential, (answer, deliver) =>
      deliver(forgedError(answer, 'CREDENTIAL_NOT_FOUND')),
    );
    const request = plainRequest(retrieveCredential, plainProfile.principal, { name: NAME });
    expect(codeOf(plain.read(request, await plain.ask(request)))).toBe('CREDENTIAL_NOT_FOUND');
    proxy.meddle(undefined);
  });

  it('by giving the answer to an earlier request again', async () => {
    let first: CrossingMessage | undefined;
    meddleWithAnswers(retrieveCredential, (answer, deliver) => {
      deliver(first === undefined ? answer : { ...answer, head: first.head, body: first.body });
      first ??= answer;
    });
    expect(await retrieve()).toBe(MARKER);
    await expectCode(retrieve(), 'CHANNEL_REJECTED');
    proxy.meddle(undefined);
  });

  it('but may refuse service, which is no answer: the client opens a new session, or says that nobody is there', async () => {
    let times = 0;
    meddleWithAnswers(retrieveCredential, (answer, deliver) =>
      deliver(times++ === 0 ? forgedError(answer, 'CHANNEL_EXPIRED') : answer),
    );
    expect(await retrieve()).toBe(MARKER);
    expect(times).toBe(2);
    meddleWithAnswers(retrieveCredential, (answer, deliver) => deliver(forgedError(answer, 'UNAVAILABLE')));
    await expectCode(retrieve(), 'UNAVAILABLE');
    proxy.meddle(undefined);
  });
});

describe('it makes nothing happen twice', () => {
  const fresh = async (): Promise<{ readonly name: string; readonly request: WireRequest }> => {
    const name = `hostile-broker/twice-${randomBytes(4).toString('hex')}`;
    await victim.credentials.store({ name, type: 'api_key', value: makeMarker() }, PATIENT);
    const values = { value: Secret.fromText(makeMarker(), 'spec') };
    const request = wire.seal(
      storeCredential,
      { name, type: 'api_key', values, expectedVersion: 'any' },
      PATIENT,
    );
    return { name, request };
  };

  it('by sending a request again in its session', async () => {
    const { name, request } = await fresh();
    expect(codeOf(wire.read(request, await askAsBroker(request)))).toBe('none');
    expect(codeOf(wire.read(request, await askAsBroker(request)))).toBe('REPLAYED');
    expect(await versionsOf(name)).toBe(2);
  });

  it('by sending it to two instances, many times', async () => {
    const second = await startSecondVault(mesh);
    try {
      const { name, request } = await fresh();
      const read = wire.seal(retrieveCredential, { name: NAME }, PATIENT);
      const replies = await Promise.all(Array.from({ length: 24 }, () => askAsBroker(request, 25_000)));
      const salts = new Set(replies.map((reply) => reply.headers?.get(HEADERS.channelReply).split(',')[0]));
      expect(salts.size).toBe(2); // both instances had it
      expect(await versionsOf(name)).toBe(2);
      // A read is answered by both, to the client's keys only: the broker has the answers, and no value.
      const answers = await Promise.all(Array.from({ length: 24 }, () => askAsBroker(read, 25_000)));
      const opened = answers.map((answer) => codeOf(wire.read(read, answer)));
      expect(opened.filter((code) => code === 'none').length).toBeLessThanOrEqual(2);
      expect(new Set(opened)).toEqual(new Set(['none', 'REPLAYED']));
      for (const { data } of answers)
        expect(findMarkers(Buffer.from(data), { value: formsOf(MARKER) })).toEqual([]);
    } finally {
      await second.stop();
    }
  }, 240_000);

  it('by sending it after the vault was started anew, or in another session', async () => {
    const { name, request } = await fresh();
    expect(codeOf(wire.read(request, await wire.ask(request)))).toBe('none');
    // In another session: its own set-up, the captured sequence, body and id.
    const other = wire.seal(describeCredential, { name: NAME });
    const head = headers();
    for (const key of request.head.keys()) head.set(key, request.head.get(key));
    const elsewhere = await connectWire(victimProfile);
    head.set(HEADERS.channel, elsewhere.seal(describeCredential, { name: NAME }).head.get(HEADERS.channel));
    await elsewhere.close();
    expect(refusalOf(await askAsBroker({ ...request, head }))).toBe('CHANNEL_REJECTED');
    const dead = await killPart(mesh, 'vault');
    await recovered(mesh, dead === undefined ? [] : [dead], 240_000);
    await askAsBroker(request, 25_000).catch(() => undefined);
    expect(await versionsOf(name)).toBe(2);
    expect(other.requestId).not.toBe(request.requestId);
  }, 420_000);
});

describe('it tells services and clients nothing that is not so', () => {
  const pushed = subjects.push('*', 'credential', 'rotated');
  const pushes = (): Msg[] =>
    admin.heard.filter(({ subject }) => subject === pushed.replace('*', victimProfile.principal));

  it('by an event that its producer did not sign', async () => {
    const { credentialId, revision } = await metadataOf(OTHER);
    expect(await retrieve(OTHER)).toBe(await valueOf(OTHER));
    // Who holds it is known once the record of that reveal has gone through the log.
    const holders = `SELECT 1 FROM rotation.holder WHERE principal = '${victimProfile.principal}' AND credential_id = '${credentialId}'`;
    await eventually(async () => expect((await database.admin(holders, 'keymesh')).rows).not.toEqual([]), {
      timeoutMs: LONG,
    });
    const before = pushes().length;
    const { subject } = EVENTS.versionPromoted;
    const { key } = makeSigningKey();
    for (const signer of [undefined, key]) {
      const id = randomUUID();
      const described = {
        owner: 'operator',
        namespace: 'hostile-broker',
        type: 'api_key',
        provider: null,
        tags: [],
      };
      const event = {
        eventId: id,
        occurredAt: new Date().toISOString(),
        credentialId,
        version: 99,
        revision,
        ...described,
      };
      const bytes = utf8(JSON.stringify(event));
      const head = headers();
      head.set(HEADERS.eventId, id);
      if (signer !== undefined)
        head.set(HEADERS.signature, signEvents([{ subject, id, bytes }], signer)[0] ?? '');
      const stored = await admin.nats.request(subject, bytes, { headers: head, timeout: 10_000 });
      expect(JSON.parse(Buffer.from(stored.data).toString())).toMatchObject({ stream: 'EVENTS' });
    }
    // The control: a real one, which comes after them in the stream, is believed.
    const value = makeMarker();
    const real = await operator.credentials.store(
      { name: OTHER, type: 'api_key', value, expectedVersion: 'any' },
      PATIENT,
    );
    await eventually(() => expect(pushes().length).toBeGreaterThan(before), { timeoutMs: LONG });
    const told = pushes()
      .slice(before)
      .map(({ data }) => JSON.parse(Buffer.from(data).toString()) as { version: number });
    expect(told.map(({ version }) => version)).toEqual([real.version]);
  }, 180_000);

  it('by a push: it is a hint, and what it is a hint of is asked of the vault', async () => {
    const { credentialId, version } = await metadataOf(NAME);
    const seen: string[] = [];
    const watch = await victim.credentials.watch(NAME, (credential) => {
      seen.push(credential.text());
      credential.dispose();
    });
    const from = admin.heard.length;
    const asked = rpcSubject(retrieveCredential, victimProfile.principal);
    const asks = (): Msg[] => admin.heard.slice(from).filter(({ subject }) => subject === asked);
    const forged = JSON.stringify({ credentialId, version: version + 7, revision: 99 });
    await eventually(
      () => {
        admin.nats.publish(pushed.replace('*', victimProfile.principal), forged);
        expect(asks().length).toBeGreaterThan(0); // it was heard
      },
      { timeoutMs: 30_000 },
    );
    expect(await retrieve()).toBe(MARKER);
    watch.stop();
    expect(seen).toEqual([MARKER]);
  });

  it('by an earlier policy bundle: what was taken away stays away', async () => {
    const fired = await enrolAs(mesh, { profile: operatorProfile, keymesh: operator }, `fired-${run}`, [
      'reader',
    ]);
    const code = async (): Promise<string> => {
      const request = await sealed(fired.principal, fromBase64Url(fired.channelSeed) ?? new Uint8Array());
      return request.codeIn(await askAsBroker(request));
    };
    await eventually(async () => expect(await code()).toBe('none'), { timeoutMs: LONG });
    const bucket = await admin.connect();
    const before = await getPolicyBundle(bucket);
    if (before === undefined) throw new Error('there is no bundle');
    await operator.call(disablePrincipal, { principal: fired.principal, reason: 'spec' }, PATIENT);
    await eventually(async () => expect(await code()).toMatch(/^(DENIED|CHANNEL_REJECTED)$/), {
      timeoutMs: LONG,
    });
    // As many bundles as the vault has seen and not taken.
    const refusals = async (): Promise<number> => {
      const { vault } = (await meshStatus(mesh)).services;
      const metrics = await (await fetch(`http://127.0.0.1:${String(vault.httpPort)}/metrics`)).text();
      return Number(
        /^keymesh_policy_bundles_total\{[^}]*result="not-newer"[^}]*\} (\d+)/m.exec(metrics)?.[1] ?? 0,
      );
    };
    const refused = await refusals();
    await putPolicyBundle(bucket, before.bytes);
    await eventually(async () => expect(await refusals()).toBeGreaterThan(refused), { timeoutMs: LONG });
    expect(await code()).toMatch(/^(DENIED|CHANNEL_REJECTED)$/);
    await bucket.close();
  }, 240_000);
});

describe('what it drops is noticed, and what it adds is not taken', () => {
  const JOURNAL = subjects.journal('vault');
  const alerts = (kind: string): number =>
    admin.heard.filter(
      ({ subject, data }) =>
        subject.includes('.alert.') && Buffer.from(data).includes(`Audit journal: ${kind}`),
    ).length;
  const now = async (kind: string) => ({ alerts: alerts(kind), rows: await incidents(kind) });
  const told = (kind: string, before: { readonly alerts: number; readonly rows: number }): Promise<void> =>
    eventually(
      async () => {
        expect(await incidents(kind)).toBeGreaterThan(before.rows);
        expect(alerts(kind)).toBeGreaterThan(before.alerts);
      },
      { timeoutMs: 90_000 },
    );

  it('journal packs, though the vault was told that they are stored', async () => {
    const before = await now('gap');
    const kept = await admin.divert(JOURNAL);
    expect(await retrieve()).toBe(MARKER); // nobody could know yet: the broker said that it was stored
    expect(kept.length).toBeGreaterThan(0);
    await admin.letThrough();
    await told('gap', before);
  }, 180_000);

  it('a pack that a stranger signed', async () => {
    const before = await now('bad-signature');
    const { key } = makeSigningKey();
    const id = randomUUID();
    const at = new Date().toISOString();
    const leaf = {
      v: 1,
      id,
      time: at,
      type: 'credential.retrieved',
      service: 'vault',
      instance: 'vault',
      outcome: 'success',
    };
    const header = {
      producer: 'vault',
      instance: id,
      sequence: 1,
      previous: '0'.repeat(64),
      createdAt: at,
    } as const;
    await admin.nats.request(
      JOURNAL,
      encodePack(header, [{ leaf: utf8(JSON.stringify(leaf)), beside: new Uint8Array() }], key),
    );
    await told('bad-signature', before);
    expect((await readLog(operator)).filter((record) => record.id === id)).toEqual([]);
  }, 150_000);

  it('a real pack once more', async () => {
    const from = admin.heard.length;
    await retrieve();
    const pack = admin.heard
      .slice(from)
      .find(({ subject, data }) => subject === JOURNAL && data.length > 600);
    if (pack === undefined) throw new Error('no pack was heard');
    await retrieve();
    await retrieve();
    const before = await now('replayed');
    await admin.nats.request(JOURNAL, pack.data);
    await told('replayed', before);
    // Every record is in the log once.
    const ids = (await readLog(operator)).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  }, 150_000);
});

const flipped = (bytes: Uint8Array): Buffer => {
  const changed = Buffer.from(bytes);
  changed[0] = (changed[0] ?? 0) ^ 1;
  return changed;
};
