import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  makeAcceptor,
  makeChannelKeyPair,
  makeHandoverQuestion,
  openSession,
  readChannelKey,
  sealWithStateKey,
  signChannelKey,
  takeOver,
} from '@keymesh/channel';
import { failure, type ServiceName } from '@keymesh/contracts';
import { HOUR, MINUTE, SECOND, Secret, makeSigningKey, type Clock } from '@keymesh/kernel';
import type { ChannelKeyHandovers, ChannelKeyStore, StoredChannelKey } from '@keymesh/postgres';
import { makeLogger } from '../telemetry/logger.js';
import { makeMemoryFolder } from './channel-key-folder.js';
import { certifiedChannelKeys, type CertifiedChannelKeysOptions } from './certified-channel-keys.js';

const mesh = makeSigningKey().key;
const logger = makeLogger({ service: 'audit', instance: 'i', level: 'silent' });
// Fake timers turn Date and performance as well.
const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
const DAY_MS = 24 * HOUR;

const certify = (publicKey: string, service: ServiceName = 'audit'): Promise<string> => {
  const notBefore = clock.now();
  return Promise.resolve(
    signChannelKey({ service, publicKey, notBefore, notAfter: notBefore + DAY_MS }, mesh),
  );
};

function makeStore() {
  const rows = new Map<string, StoredChannelKey>();
  const store: ChannelKeyStore = {
    list: () => Promise.resolve([...rows.values()].sort((a, b) => b.notAfter - a.notAfter)),
    save: (key) => Promise.resolve(void rows.set(key.keyId, { ...key, sealedPrivateKey: null })),
    destroyEndedBefore(nowMs) {
      const ended = [...rows.values()].filter(({ notAfter }) => notAfter < nowMs);
      for (const { keyId } of ended) rows.delete(keyId);
      return Promise.resolve(ended.length);
    },
  };
  return { rows, store };
}

/** The table where instances meet; `answers` is all that it ever held. */
function makeHandovers() {
  const asked = new Map<string, { keyId: string; recipient: string; answer?: Uint8Array }>();
  const answers: Uint8Array[] = [];
  const nameOf = (keyId: string, recipient: string) => `${keyId}/${recipient}`;
  const handovers: ChannelKeyHandovers = {
    ask: (keyId, recipient) =>
      Promise.resolve(void asked.set(nameOf(keyId, recipient), { keyId, recipient })),
    unanswered: () => Promise.resolve([...asked.values()].filter(({ answer }) => answer === undefined)),
    answer(keyId, recipient, sealed) {
      answers.push(sealed);
      asked.set(nameOf(keyId, recipient), { keyId, recipient, answer: sealed });
      return Promise.resolve();
    },
    collect(keyId, recipient) {
      const answer = asked.get(nameOf(keyId, recipient))?.answer;
      if (answer !== undefined) asked.delete(nameOf(keyId, recipient));
      return Promise.resolve(answer);
    },
  };
  return { asked, answers, handovers };
}

const providers: { stop(): unknown }[] = [];
const optionsOf = (): CertifiedChannelKeysOptions => ({
  service: 'audit',
  meshPublicKey: mesh.publicKeyText,
  stateKey: new Secret(new Uint8Array(32).fill(9), 'state-key'),
  store: makeStore().store,
  folder: makeMemoryFolder(),
  handovers: makeHandovers().handovers,
  certify,
  clock,
  logger,
});
function make(options: Partial<CertifiedChannelKeysOptions> = {}) {
  const provider = certifiedChannelKeys({ ...optionsOf(), ...options });
  providers.push(provider);
  void provider.start();
  return provider;
}

// Key generation and exchange run on threads, which the fake timers do not turn. Time passes only when none is under way: on a loaded
// machine the spec takes longer, and sees the same.
let underWay = 0;
const OPERATIONS = [
  'generateKey',
  'importKey',
  'exportKey',
  'deriveBits',
  'sign',
  'encrypt',
  'decrypt',
] as const;
const counted =
  (operation: (...args: never[]) => Promise<unknown>) =>
  async (...args: never[]): Promise<unknown> => {
    underWay += 1;
    try {
      return await operation(...args);
    } finally {
      underWay -= 1;
    }
  };
beforeAll(() => {
  for (const name of OPERATIONS)
    Object.assign(crypto.subtle, { [name]: counted(crypto.subtle[name].bind(crypto.subtle)) });
});
// What the object had from its prototype shows again.
afterAll(() => {
  for (const name of OPERATIONS) Reflect.deleteProperty(crypto.subtle, name);
});

const settle = async (ms = 0): Promise<void> => {
  await jest.advanceTimersByTimeAsync(ms);
  let idle = 0;
  while (idle < 20) {
    await new Promise((resolve) => setImmediate(resolve));
    idle = underWay === 0 ? idle + 1 : 0;
  }
};

/** So many seconds, in each of which what was begun gets done. */
const pass = async (seconds: number): Promise<void> => {
  for (let second = 0; second < seconds; second += 1) {
    await settle(SECOND);
    await settle();
  }
};

/** Passes time until it holds, a minute at most. */
const passUntil = async (holds: () => boolean): Promise<void> => {
  for (let second = 0; second < 60 && !holds(); second += 1) await pass(1);
  expect(holds()).toBe(true);
};

const keyIdOf = (statement: string): string =>
  readChannelKey(statement, mesh.publicKeyText, 'audit', clock.now())?.keyId ?? 'none';

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] }));
afterEach(() => {
  for (const provider of providers.splice(0)) provider.stop();
  jest.useRealTimers();
});

describe('certified channel keys', () => {
  it('are certified, and open what clients seal for them', async () => {
    const provider = make();
    await settle();
    const [statement = ''] = provider.currentStatements();
    const client = makeSigningKey().key;
    const service = readChannelKey(statement, mesh.publicKeyText, 'audit', clock.now());
    const session = await openSession({ principal: 'app', signingKey: client, service: service!, clock });
    const acceptor = makeAcceptor({
      service: 'audit',
      privateKey: (keyId) => provider.privateKey(keyId),
      isChannelKeyOf: (_principal, key) => key === client.publicKeyText,
      clock,
    });
    expect((await acceptor.accept(session.setupHeader)).sessionId).toBe(session.sessionId);
  });

  it('survive a restart without the vault, and open only under the same state key', async () => {
    const [{ store }, folder] = [makeStore(), makeMemoryFolder()];
    const first = make({ store, folder });
    await settle();
    void first.stop();
    const away = () => Promise.reject(failure('UNAVAILABLE'));
    const second = make({ store, folder, certify: away });
    const foreign = make({
      store,
      folder,
      certify: away,
      stateKey: new Secret(new Uint8Array(32).fill(1), 'state-key'),
    });
    await settle();
    expect(second.currentStatements()).toEqual(first.currentStatements());
    expect(second.privateKey(keyIdOf(second.currentStatements()[0] ?? ''))).toBeDefined();
    expect(foreign.currentStatements()).toEqual([]);
  });

  it('are at rest outside the database alone, and not in any readable form', async () => {
    const { store, rows } = makeStore();
    const folder = makeMemoryFolder();
    make({ store, folder });
    await settle();
    const [row] = rows.values();
    expect(row?.sealedPrivateKey).toBeNull();
    expect((await folder.read(row?.keyId ?? ''))?.length).toBe(1 + 32 + 12 + 32 + 16);
  });

  it('of a release that kept them in the database open until their end', async () => {
    const { store, rows } = makeStore();
    const { publicKey, privateKey } = await makeChannelKeyPair();
    const statement = readChannelKey(await certify(publicKey), mesh.publicKeyText, 'audit', clock.now())!;
    const stateKey = new Secret(new Uint8Array(32).fill(9), 'state-key');
    // EXPOSE: a spec's own key, sealed as that release did.
    const sealed = sealWithStateKey(stateKey, `channel-key/audit/${statement.keyId}`, privateKey.expose());
    const { keyId, text, notAfter } = statement;
    rows.set(keyId, { keyId, statement: text, notAfter, sealedPrivateKey: Buffer.from(sealed) });
    const provider = make({ store, certify: () => Promise.reject(failure('UNAVAILABLE')) });
    await settle();
    expect(provider.currentStatements()).toEqual([text]);
    expect(provider.privateKey(keyId)).toBeDefined();
    await settle(DAY_MS + MINUTE);
    expect(provider.privateKey(keyId)).toBeUndefined();
    expect(rows.size).toBe(0);
  });

  it('are tried again until the vault answers', async () => {
    let attempts = 0;
    const provider = make({
      certify: (publicKey) => (++attempts < 4 ? Promise.reject(failure('UNAVAILABLE')) : certify(publicKey)),
    });
    await settle();
    expect(provider.currentStatements()).toEqual([]);
    for (let round = 0; round < 4; round += 1) await settle(2 * SECOND);
    expect(attempts).toBe(4);
    expect(provider.currentStatements()).toHaveLength(1);
  });

  it.each([
    ['of another service', (publicKey: string) => certify(publicKey, 'vault')],
    ['of another key', () => certify(makeSigningKey().key.publicKeyText)],
    [
      'by another mesh key',
      (publicKey: string) => {
        const notBefore = clock.now();
        const fields = { service: 'audit', publicKey, notBefore, notAfter: notBefore + DAY_MS };
        return Promise.resolve(signChannelKey(fields, makeSigningKey().key));
      },
    ],
    ['that is no statement', () => Promise.resolve('nonsense')],
  ])('refuse a certificate %s', async (_what, wrong) => {
    const { store, rows } = makeStore();
    const provider = make({ store, certify: wrong });
    await settle();
    expect(provider.currentStatements()).toEqual([]);
    expect(rows.size).toBe(0);
  });

  it('are renewed at half their life and destroyed at its end, here and in the store', async () => {
    const { store, rows } = makeStore();
    const folder = makeMemoryFolder();
    const provider = make({ store, folder });
    await settle();
    const old = keyIdOf(provider.currentStatements()[0] ?? '');
    await settle(12 * HOUR + MINUTE);
    expect(rows.size).toBe(2);
    expect(provider.privateKey(old)).toBeDefined();
    await settle(MINUTE);
    expect(keyIdOf(provider.currentStatements()[0] ?? '')).not.toBe(old);
    await settle(12 * HOUR);
    expect(provider.privateKey(old)).toBeUndefined();
    expect([...rows.keys()]).not.toContain(old);
    expect(await folder.read(old)).toBeUndefined();
  });

  it('of another instance are taken in before clients are told of them', async () => {
    const [{ store }, folder] = [makeStore(), makeMemoryFolder()];
    const first = make({ store, folder });
    await settle();
    const other = make({ store, folder });
    await settle();
    await settle(12 * HOUR + MINUTE);
    const told = () => first.currentStatements().map(keyIdOf);
    const newest = [...(await store.list())][0]?.keyId ?? '';
    for (const provider of [first, other]) expect(provider.privateKey(newest)).toBeDefined();
    await settle(MINUTE);
    expect(told()).toContain(newest);
  });
});

describe('instances that share no folder', () => {
  it('hand their keys over, sealed to whoever asks: nothing that stays opens with the state key', async () => {
    const [{ store, rows }, { handovers, asked, answers }] = [makeStore(), makeHandovers()];
    const first = make({ store, handovers });
    await settle();
    const [keyId = ''] = rows.keys();
    const second = make({ store, handovers, certify: () => Promise.reject(failure('UNAVAILABLE')) });
    await settle();
    expect(second.privateKey(keyId)).toBeUndefined();
    await passUntil(() => second.privateKey(keyId) !== undefined);
    expect(second.currentStatements()).toEqual(first.currentStatements());
    expect(answers).toHaveLength(1);
    expect(answers[0]?.length).toBe(1 + 32 + 32 + 16);
    expect(asked.size).toBe(0);
  });

  it('begin once they have what the others have, before any request', async () => {
    const [{ store }, { handovers }] = [makeStore(), makeHandovers()];
    const first = make({ store, handovers });
    await settle();
    const second = certifiedChannelKeys({ ...optionsOf(), store, handovers });
    providers.push(second);
    const begun = second.start() as Promise<void>;
    let hasBegun = false;
    void begun.then(() => (hasBegun = true));
    await settle();
    expect(hasBegun).toBe(false);
    await passUntil(() => hasBegun);
    expect(second.currentStatements()).toEqual(first.currentStatements());
  });

  it('make a key of their own when nobody has the others any more', async () => {
    const [{ store, rows }, { handovers }] = [makeStore(), makeHandovers()];
    const lost = make({ store, handovers });
    await settle();
    void lost.stop();
    const alone = make({ store, handovers });
    await settle();
    expect(rows.size).toBe(1);
    await passUntil(() => rows.size === 2);
    expect(rows.size).toBe(2);
    expect(alone.currentStatements()).toHaveLength(1);
    expect(alone.currentStatements()).not.toEqual(lost.currentStatements());
  });

  it('take over what is new before clients are told of it', async () => {
    const [{ store, rows }, { handovers }] = [makeStore(), makeHandovers()];
    const instances = [make({ store, handovers }), make({ store, handovers })];
    await pass(30);
    const before = new Set(rows.keys());
    await settle(12 * HOUR - MINUTE);
    for (let second = 0; second < 120; second += 1) {
      await pass(1);
      for (const told of instances.flatMap((instance) => instance.currentStatements().map(keyIdOf)))
        for (const instance of instances) expect(instance.privateKey(told)).toBeDefined();
    }
    const made = [...rows.keys()].filter((keyId) => !before.has(keyId));
    expect(made.length).toBeGreaterThan(0);
    expect(instances[0]?.currentStatements().map(keyIdOf)).toEqual(expect.arrayContaining([made[0]]));
  });

  it('hand nothing to somebody without the state key, who can write to the table', async () => {
    const [{ store, rows }, { handovers, answers }] = [makeStore(), makeHandovers()];
    make({ store, handovers });
    await settle();
    const [keyId = ''] = rows.keys();
    const thief = await makeHandoverQuestion();
    await handovers.ask(keyId, thief.recipient);
    await passUntil(() => answers.length === 1);
    const guess = new Secret(new Uint8Array(32), 'state-key');
    await expect(
      takeOver(guess, `channel-key/audit/${keyId}`, thief, answers[0] ?? new Uint8Array()),
    ).rejects.toMatchObject({ code: 'DECRYPTION_FAILED' });
  });
});
